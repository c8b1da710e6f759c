// The least that a command can do: the start of a program.
#include <unistd.h>

int main(void) { return write(STDOUT_FILENO, "hello, world\n", 13) == 13 ? 0 : 1; }
