// When did it arrive? Reads text in which `at@NANOSECONDS@` says when it was written (CLOCK_MONOTONIC) and prints for each
// how many nanoseconds later its bytes were here.
//
//   listen          reads standard input
//   listen FILE     follows a growing file by inotify, until a line with `"type":"result"` has come
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

// More than a stamp.
#define LONGEST 40

static char text[1 << 16];
static size_t kept;

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

// Takes what there is; 0 at the end of the file, -1 when the result has come. An unfinished stamp waits for its rest.
static int take(int file) {
    ssize_t length = read(file, text + kept, sizeof text - kept - 1);
    long long here = now();
    if (length <= 0) return 0;
    kept += (size_t)length;
    text[kept] = 0;
    int is_over = strstr(text, "\"type\":\"result\"") != NULL;
    char *rest = text, *at, *end;
    while ((at = strstr(rest, "at@")) && (end = strchr(at + 3, '@'))) {
        printf("%lld\n", here - strtoll(at + 3, NULL, 10));
        rest = end + 1;
    }
    if (strlen(rest) > LONGEST) rest = text + kept - LONGEST;
    kept = strlen(rest);
    memmove(text, rest, kept + 1);
    return is_over ? -1 : 1;
}

int main(int count, char **words) {
    if (count < 2) {
        while (take(STDIN_FILENO) != 0) {}
        return 0;
    }
    int events = inotify_init1(IN_CLOEXEC), file = open(words[1], O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    char seen[4096];
    if (events < 0 || file < 0 || inotify_add_watch(events, words[1], IN_MODIFY) < 0) return 1;
    for (int state = 0; state >= 0;) {
        while ((state = take(file)) > 0) {}
        if (state == 0 && read(events, seen, sizeof seen) <= 0) return 1;
    }
    return 0;
}
