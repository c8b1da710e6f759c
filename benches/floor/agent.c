// The agent of the benchmarks: it costs next to nothing, so that what is measured is what stands around it. Called
// `claude` it speaks that agent's JSON lines; the environment says how much, because the caller fixes the arguments.
//
//   BENCH_STREAM=BYTES   so many bytes of a session in the middle (at least; whole lines). Without it nothing is printed.
//   BENCH_SHAPE=lines    messages, tool calls and tool results, as `--output-format stream-json` prints them (default)
//   BENCH_SHAPE=deltas   a line for each few characters, as `--include-partial-messages` prints them
//   BENCH_STAMPS=COUNT   so many messages, each with the time in it that it was written at (CLOCK_MONOTONIC, ns)
//   BENCH_TIMES=FILE     appends the times of its own start and end to it
//   BENCH_MEMORY=FILE    appends the peak memory of every process around it that has the same BENCH_MEMORY
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (64 * 1024)
#define SESSION "\"session_id\":\"00000000-0000-4000-8000-000000000001\""
#define USAGE "\"usage\":{\"input_tokens\":1200,\"cache_creation_input_tokens\":300,\"cache_read_input_tokens\":9000," \
              "\"output_tokens\":1,\"service_tier\":\"standard\"}"
#define MESSAGE "{\"type\":\"assistant\",\"message\":{\"id\":\"msg_04\",\"type\":\"message\",\"role\":\"assistant\"," \
                "\"model\":\"bench\",\"content\":["
#define MESSAGE_END "],\"stop_reason\":null,\"stop_sequence\":null," USAGE ",\"context_management\":null}," \
                    "\"parent_tool_use_id\":null," SESSION ",\"uuid\":\"00000000-0000-4000-8000-000000000003\"}\n"
#define SOURCE_LINE "    if (length > limit) { return \\\"the line is too long: \\\" + name; } // as the caller wants it\\n"
#define DELTA "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{" \
              "\"type\":\"text_delta\",\"text\":\"some more words \"}}," SESSION ",\"parent_tool_use_id\":null," \
              "\"uuid\":\"00000000-0000-4000-8000-000000000007\",\"api_message_id\":\"msg_04\"}\n"

static const char *const INIT =
    "{\"type\":\"system\",\"subtype\":\"init\",\"cwd\":\"/repo\"," SESSION ",\"tools\":[\"Bash\",\"Read\"],"
    "\"mcp_servers\":[],\"model\":\"bench\",\"permissionMode\":\"bypassPermissions\"}\n";
static const char *const SAY =
    MESSAGE "{\"type\":\"text\",\"text\":\"I have read the plan and will now look at the file that the first open box "
            "names, change it, and run its tests.\\nNothing is done yet.\"}" MESSAGE_END;
static const char *const CALL =
    MESSAGE "{\"type\":\"tool_use\",\"id\":\"toolu_06\",\"name\":\"Bash\",\"input\":{\"command\":\"sed -n 1,40p "
            "src/main.c\",\"description\":\"Read the file\"}}" MESSAGE_END;
static const char *const RESULT =
    "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"duration_ms\":678,\"num_turns\":2,"
    "\"result\":\"One task is done, others are open.\",\"terminal_reason\":\"completed\",\"total_cost_usd\":0.01," SESSION
    "," USAGE "}\n";

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

// A line appended in one piece, whoever else appends.
static void append(const char *path, const char *line, size_t length) {
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || write(file, line, length) != (ssize_t)length) _exit(99);
    close(file);
}

static void note_time(const char *what) {
    const char *path = getenv("BENCH_TIMES");
    char line[64];
    if (path) append(path, line, (size_t)snprintf(line, sizeof line, "%s %lld\n", what, now()));
}

static void print(const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, length);
        if (written <= 0) _exit(98);
        bytes += written;
        length -= (size_t)written;
    }
}

static size_t add(char *block, size_t at, const char *text) {
    size_t length = strlen(text);
    memcpy(block + at, text, length);
    return at + length;
}

// A turn as a session has it: some words, a call, and a result that says the same file twice.
static size_t add_turn(char *block, size_t at) {
    at = add(block, at, SAY);
    at = add(block, at, CALL);
    at = add(block, at, "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"tool_use_id\":\"toolu_06\","
                        "\"type\":\"tool_result\",\"content\":\"");
    for (int line = 0; line < 40; line++) at = add(block, at, SOURCE_LINE);
    at = add(block, at, "\",\"is_error\":false}]},\"parent_tool_use_id\":null," SESSION ",\"tool_use_result\":{\"stdout\":\"");
    for (int line = 0; line < 40; line++) at = add(block, at, SOURCE_LINE);
    return add(block, at, "\",\"stderr\":\"\",\"interrupted\":false,\"isImage\":false}}\n");
}

static void stream(long long bytes, int deltas) {
    char *block = malloc(BLOCK);
    size_t length = 0;
    if (!block) _exit(97);
    while (length + 16 * 1024 < BLOCK && (long long)length < bytes) {
        length = deltas ? add(block, length, DELTA) : add_turn(block, length);
    }
    for (; bytes > 0 && length > 0; bytes -= (long long)length) print(block, length);
    free(block);
}

static void stamps(int count) {
    const struct timespec pause = {.tv_nsec = 3000000};
    char line[1024];
    for (int number = 0; number < count; number++) {
        nanosleep(&pause, NULL);
        int length = snprintf(line, sizeof line, MESSAGE "{\"type\":\"text\",\"text\":\"at@%lld@\\n\\n/done\"}" MESSAGE_END, now());
        print(line, (size_t)length);
    }
}

// `NAME PEAK_KB` of the process `pid`, if it belongs to this benchmark and is not an agent.
static void note_peak(const char *path, const char *pid) {
    char name[300], text[65536], wanted[4200], peak[64] = "", comm[64] = "";
    snprintf(name, sizeof name, "/proc/%s/environ", pid);
    snprintf(wanted, sizeof wanted, "BENCH_MEMORY=%s", path);
    FILE *file = fopen(name, "r");
    if (!file) return;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    int ours = 0;
    for (size_t at = 0; at < length && !ours; at += strlen(text + at) + 1) ours = strcmp(text + at, wanted) == 0;
    snprintf(name, sizeof name, "/proc/%s/status", pid);
    if (!ours || !(file = fopen(name, "r"))) return;
    while (fgets(text, sizeof text, file)) {
        sscanf(text, "Name: %63s", comm);
        sscanf(text, "VmHWM: %63s", peak);
    }
    fclose(file);
    int count = snprintf(text, sizeof text, "%s %s\n", comm, peak);
    if (peak[0] && strcmp(comm, "claude") != 0) append(path, text, (size_t)count);
}

static void note_memory(const char *path) {
    DIR *all = opendir("/proc");
    for (struct dirent *entry; all && (entry = readdir(all));) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') note_peak(path, entry->d_name);
    }
    if (all) closedir(all);
}

int main(void) {
    note_time("start");
    const char *bytes = getenv("BENCH_STREAM"), *shape = getenv("BENCH_SHAPE"), *count = getenv("BENCH_STAMPS");
    const char *memory = getenv("BENCH_MEMORY");
    if (bytes || count) print(INIT, strlen(INIT));
    if (bytes) stream(atoll(bytes), shape && strcmp(shape, "deltas") == 0);
    if (count) stamps(atoi(count));
    if (bytes || count) print(RESULT, strlen(RESULT));
    if (memory) note_memory(memory);
    note_time("end");
    return 0;
}
