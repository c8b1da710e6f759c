// A PID 1 that does not reap, as many containers have one: runs a command, waits for that child alone, and leaves every
// orphan that comes to it a zombie. Ends as the command did.
//
//   unshare --pid --fork --mount-proc pid1 COMMAND…
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count < 2) return 2;
    pid_t child = fork();
    if (child < 0) return 2;
    if (child == 0) {
        execvp(words[1], words + 1);
        _exit(127);
    }
    int status;
    if (waitpid(child, &status, 0) != child) return 2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
