// How long a command takes from its start to its end, again and again: writes `<wall ns> <user+system ns>` of each to OUT.
// What the command leaves behind is not waited for. Fails with the first command that fails.
//
//   repeat OUT FIRST COUNT COMMAND…
//
// A word with `{}` in it gets the number of the run in its place, counted from FIRST.
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long nanoseconds(struct timeval time) { return time.tv_sec * 1000000000LL + time.tv_usec * 1000LL; }

// `word` with the first `{}` replaced by `number`.
static char *numbered(char *word, int number) {
    char *hole = strstr(word, "{}"), *result;
    if (!hole) return word;
    return asprintf(&result, "%.*s%d%s", (int)(hole - word), word, number, hole + 2) < 0 ? NULL : result;
}

int main(int count, char **words) {
    FILE *out = count > 4 ? fopen(words[1], "w") : NULL;
    if (!out) return 2;
    int first = atoi(words[2]), last = first + atoi(words[3]);
    char **command = calloc((size_t)count, sizeof *command);
    for (int number = first; number < last; number++) {
        for (int word = 4; word < count; word++) command[word - 4] = numbered(words[word], number);
        pid_t pid;
        int status;
        struct rusage used;
        long long begin = now();
        if (posix_spawnp(&pid, command[0], NULL, NULL, command, environ) != 0) return 2;
        if (wait4(pid, &status, 0, &used) != pid) return 2;
        long long wall = now() - begin;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1;
        fprintf(out, "%lld %lld\n", wall, nanoseconds(used.ru_utime) + nanoseconds(used.ru_stime));
    }
    return fclose(out) == 0 ? 0 : 2;
}
