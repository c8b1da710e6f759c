// The least that a durable spawn can do: a log, a process in a session of its own, and its name and pid in a file that
// survives a power cut (written beside, synced, renamed, the folder synced).
//
//   spawn FOLDER NAME COMMAND…
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

static void need(int good, const char *what) {
    if (good) return;
    perror(what);
    exit(1);
}

static pid_t start(const char *log, char **command) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    pid_t pid;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    posix_spawnattr_init(&how);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSID);
    need(posix_spawnp(&pid, command[0], &files, &how, command, environ) == 0, "spawn");
    return pid;
}

int main(int count, char **words) {
    need(count > 3, "usage: spawn FOLDER NAME COMMAND...");
    char log[4096], temporary[4096], state[4096], line[256];
    snprintf(log, sizeof log, "%s/%s.log", words[1], words[2]);
    snprintf(temporary, sizeof temporary, "%s/%s.tmp", words[1], words[2]);
    snprintf(state, sizeof state, "%s/%s.json", words[1], words[2]);
    pid_t pid = start(log, words + 3);
    int length = snprintf(line, sizeof line, "{\"name\": \"%s\", \"pid\": %d}\n", words[2], pid);
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    need(file >= 0 && write(file, line, (size_t)length) == length && fsync(file) == 0, "write");
    int folder = open(words[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    need(rename(temporary, state) == 0 && folder >= 0 && fsync(folder) == 0, "rename");
    printf("spawned %s (pid: %d)\n", words[2], pid);
    return 0;
}
