// The program that trains a model in one process.
#include <tools/src/runner.hpp>

int main(int n, char** arguments) {
  return tool::main_of([](int m, char** words) { return tool::train(tool::settings_of(m, words), fauna::OneRank{}); },
                       n, arguments);
}
