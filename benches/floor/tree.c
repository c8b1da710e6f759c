// What a command and everything below it cost: runs it, waits until no descendant is left (orphans come to us), and
// writes one line to the file OUT: `<user+system ns> <wall ns> <exit status>`.
//
//   tree OUT COMMAND…
//
// The processor time is that of all processes that were reaped below us, by whomever.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long nanoseconds(struct timeval time) { return time.tv_sec * 1000000000LL + time.tv_usec * 1000LL; }

int main(int count, char **words) {
    if (count < 3 || prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) != 0) return 2;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    pid_t child = fork();
    if (child < 0) return 2;
    if (child == 0) {
        execvp(words[2], words + 2);
        _exit(127);
    }
    int status, exit_status = 1;
    for (pid_t pid; (pid = wait(&status)) > 0;) {
        if (pid != child) continue;
        clock_gettime(CLOCK_MONOTONIC, &end);
        exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    FILE *out = fopen(words[1], "w");
    if (!out) return 2;
    long long wall = (end.tv_sec - begin.tv_sec) * 1000000000LL + (end.tv_nsec - begin.tv_nsec);
    fprintf(out, "%lld %lld %d\n", nanoseconds(used.ru_utime) + nanoseconds(used.ru_stime), wall, exit_status);
    return fclose(out) == 0 ? 0 : 2;
}
