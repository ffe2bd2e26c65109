#include "commands/commands.h"

// What jemalloc reads at its start: huge pages, where the system leaves that to the programs. A
// session's TLS state lies on a dozen pages, and with thousands of sessions the processor spends
// its time finding them. Three pairs on a quiet machine: a NOOP at 1,000 sessions 28.1, 27.8, 28.0
// against 24.4, 26.6, 24.6 µs, a push to an idling client 34.3, 35.9, 31.4 against 29.5, 32.1,
// 29.4 µs, an idle session 14.7 against 14.3 KB; the process is 20 MB larger at rest.
// MALLOC_CONF in the environment overrules it; without jemalloc nobody reads it.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "thp:always";
}

int main(int argc, char** argv) {
  return headgate::commands::main(argc, argv);
}
