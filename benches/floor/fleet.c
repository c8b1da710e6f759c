// The least that it takes to end many processes: starts COUNT of a command, sends TERM to each by its pidfd, and waits for
// all at once until each has ended. Prints `start <ns>` and `stop <ns>`.
//
//   fleet COUNT COMMAND…
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void need(int good, const char *what) {
    if (good) return;
    perror(what);
    exit(1);
}

int main(int count, char **words) {
    need(count > 2, "usage: fleet COUNT COMMAND...");
    int size = atoi(words[1]);
    struct rlimit files;
    need(getrlimit(RLIMIT_NOFILE, &files) == 0, "getrlimit");
    files.rlim_cur = files.rlim_max;
    need(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
    struct pollfd *alive = calloc((size_t)size, sizeof *alive);
    long long begin = now();
    for (int number = 0; number < size; number++) {
        pid_t pid;
        need(posix_spawnp(&pid, words[2], NULL, NULL, words + 2, environ) == 0, "spawn");
        alive[number] = (struct pollfd){.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
        need(alive[number].fd >= 0, "pidfd_open");
    }
    long long started = now();
    for (int number = 0; number < size; number++) {
        need(syscall(SYS_pidfd_send_signal, alive[number].fd, SIGTERM, NULL, 0) == 0, "signal");
    }
    for (int left = size; left > 0;) {
        need(poll(alive, (nfds_t)size, -1) > 0, "poll");
        for (int number = 0; number < size; number++) {
            if (!(alive[number].revents & POLLIN)) continue;
            alive[number].fd = -1; // poll looks away
            left--;
        }
    }
    printf("start %lld\nstop %lld\n", started - begin, now() - started);
    return 0;
}
