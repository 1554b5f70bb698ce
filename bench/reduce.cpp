// A sum of 100 MiB of floats over all ranks that mpirun has started: in the order that ranks have here, and by
// MPI_Allreduce, in turns. Prints the median seconds of both and the median ratio. For bench/ranks.py.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include <fauna/dist/collectives.hpp>
#include <fauna/dist/mpi.hpp>

namespace {

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

/// Seconds until f has ended on all ranks.
template <class F> double seconds(fauna::Mpi& mpi, F&& f) {
  fauna::barrier(mpi);
  const double start = MPI_Wtime();
  f();
  return fauna::most_of(mpi, MPI_Wtime() - start);
}

}  // namespace

int main() {
  return fauna::on_mpi_ranks([](fauna::Mpi& mpi) {
    constexpr std::size_t n = std::size_t{100} << 18;
    std::vector<float> ours(n), theirs(n), own(n, 0.001F * static_cast<float>(mpi.rank() + 1));
    const fauna::Cut cut{.n = n, .block = 16, .ranks = mpi.size()};
    const fauna::PieceShares shares{.pieces = mpi.size(), .ranks = mpi.size()};
    const auto ordered = [&] {
      fauna::reduce_scatter(mpi, shares, {own.data()}, ours.data(), cut);
      fauna::all_gather(mpi, ours.data(), [&](int r) { return cut.at(r); });
    };
    const auto allreduce = [&] {
      MPI_Allreduce(own.data(), theirs.data(), static_cast<int>(n), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    };
    std::vector<double> mine, others, ratios;
    for (int i = 0; i < 12; ++i) {
      std::fill(own.begin(), own.end(), 0.001F * static_cast<float>(mpi.rank() + 1));
      const double a = seconds(mpi, allreduce), b = seconds(mpi, ordered);
      if (i < 3) continue;  // pages are touched, connections made
      mine.push_back(b);
      others.push_back(a);
      ratios.push_back(a / b);
    }
    if (std::fabs(ours[n / 2] - theirs[n / 2]) > 1e-6F) mpi.abort("the sums differ");
    if (mpi.rank() == 0)
      std::printf("{\"seconds\": %.6f, \"peer_seconds\": %.6f, \"ratio\": %.4f}\n", median(mine), median(others),
                  median(ratios));
    return 0;
  });
}
