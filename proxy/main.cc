#include "commands/commands.h"

int main(int argc, char** argv) {
  return headgate::commands::main(argc, argv);
}
