// The program that trains a model in one process as many ranks would: with gradients of --pieces that are added by a
// tree.
#include <tools/src/runner.hpp>

#include <fauna/dist/data_parallel.hpp>

namespace {

int run(int n, char** arguments) {
  const settings::Run s = tool::settings_of(n, arguments);
  fauna::Solo solo;
  return tool::train(s, fauna::DataParallel(solo, static_cast<int>(s.pieces)));
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
