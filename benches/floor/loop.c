// The least that a loop over an agent can do: for each iteration a log, a pipe, a fork, an exec, and a splice of the pipe
// into the log until both ends are gone. Judges nothing.
//
//   loop ITERATIONS PROMPT_FILE LOG_FOLDER RECORDS AGENT…
//
// RECORDS durable records (written and fdatasynced) stand before each start and behind each end.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void need(int good, const char *what) {
    if (good) return;
    perror(what);
    exit(1);
}

static void record(int journal, int count, int iteration, const char *what) {
    char line[256];
    for (int number = 0; number < count; number++) {
        int length = snprintf(line, sizeof line, "{\"iteration\":%d,\"what\":\"%s\",\"pad\":\"%0100d\"}\n", iteration, what, 0);
        need(write(journal, line, (size_t)length) == length, "write");
        need(fdatasync(journal) == 0, "fdatasync");
    }
}

static void iterate(int iteration, const char *prompt, const char *folder, char **agent) {
    char path[4096];
    int ends[2];
    snprintf(path, sizeof path, "%s/iteration-%d.log", folder, iteration);
    int log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int input = open(prompt, O_RDONLY | O_CLOEXEC);
    need(log >= 0 && input >= 0 && pipe2(ends, O_CLOEXEC) == 0, "open");
    pid_t pid = fork();
    need(pid >= 0, "fork");
    if (pid == 0) {
        dup2(input, STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        execvp(agent[0], agent);
        _exit(127);
    }
    close(input);
    close(ends[1]);
    while (1) {
        ssize_t moved = splice(ends[0], NULL, log, NULL, 1 << 20, SPLICE_F_MOVE);
        need(moved >= 0 || errno == EINTR, "splice");
        if (moved == 0) break;
    }
    close(ends[0]);
    close(log);
    int status;
    need(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "agent");
}

int main(int count, char **words) {
    need(count > 5, "usage: loop ITERATIONS PROMPT_FILE LOG_FOLDER RECORDS AGENT...");
    char path[4096];
    snprintf(path, sizeof path, "%s/journal", words[3]);
    int journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    need(journal >= 0, "journal");
    for (int iteration = 1; iteration <= atoi(words[1]); iteration++) {
        record(journal, atoi(words[4]), iteration, "start");
        iterate(iteration, words[2], words[3], words + 5);
        record(journal, atoi(words[4]), iteration, "end");
    }
    return 0;
}
