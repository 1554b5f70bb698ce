// The program that trains a model on the ranks that mpirun started.
#include <tools/src/runner.hpp>

#include <fauna/dist/data_parallel.hpp>
#include <fauna/dist/mpi.hpp>

namespace {

/// Of what must be the same on all ranks: this program, and all it was told.
std::uint64_t told(int n, char** arguments) {
  std::string all = sha256(fauna::Mapped("/proc/self/exe").text());
  for (int i = 1; i < n; ++i) all += '\n' + std::string(arguments[i]);
  return fauna::text_hash(sha256(all));
}

int run(int n, char** arguments) {
  return fauna::on_mpi_ranks([&](fauna::Mpi& mpi) {
    fauna::DataParallel<fauna::Mpi>(mpi).require_same("program, or other flags,", told(n, arguments));
    const settings::Run s = tool::settings_of(n, arguments);
    const int pieces = static_cast<int>(s.pieces);
    if (s.zero == 0) return tool::train(s, fauna::data_parallel<fauna::Mpi>(mpi, pieces), mpi.on_machine(), mpi.size());
    return tool::train(s, fauna::zero<1, fauna::Mpi>(mpi, pieces), mpi.on_machine(), mpi.size());
  });
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
