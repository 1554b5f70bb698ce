// mpi_ranks whole|cut: parcels of all sizes arrive on the ranks that mpirun has started, in one message or in many.
// mpi_ranks RANK throw|exit|kill: that rank ends so, while the others wait for it.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>

#include <fauna/dist/collectives.hpp>
#include <fauna/dist/mpi.hpp>

namespace {

static_assert(fauna::Communicator<fauna::Mpi>);

/// What rank `from` sends to rank `to`: some bytes, or none.
std::vector<unsigned char> parcel(int from, int to) {
  std::vector<unsigned char> bytes(static_cast<std::size_t>(100 * ((from + 2 * to) % 4) + from));
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<unsigned char>(i + static_cast<std::size_t>(37 * from + 101 * to));
  return bytes;
}

void exchange(fauna::Mpi& mpi) {
  for (int round = 0; round < 20; ++round) {  // one after another, nothing overtakes
    fauna::Parcels parcels(mpi.size());
    std::vector<std::vector<unsigned char>> sent, arrived;
    for (int r = 0; r < mpi.size(); ++r) {
      sent.push_back(parcel(mpi.rank(), r + round));
      arrived.emplace_back(parcel(r, mpi.rank() + round).size(), 255);
    }
    for (int r = 0; r < mpi.size(); ++r) {
      const auto i = static_cast<std::size_t>(r);
      parcels.send(r, sent[i].data(), sent[i].size());
      parcels.receive(r, arrived[i].data(), arrived[i].size());
    }
    parcels.exchange(mpi);
    for (int r = 0; r < mpi.size(); ++r)
      if (r != mpi.rank() && arrived[static_cast<std::size_t>(r)] != parcel(r, mpi.rank() + round))
        mpi.abort(("the parcel of rank " + std::to_string(r) + " in round " + std::to_string(round)).c_str());
  }
  if (mpi.rank() == 0) std::printf("%d ranks have exchanged\n", mpi.size());
}

int end(fauna::Mpi& mpi, int rank, std::string const& how) {
  for (int i = 0; i < 10; ++i) fauna::barrier(mpi);
  if (mpi.rank() == rank) {
    if (how == "throw") throw std::runtime_error("no more");
    if (how == "exit") ::_exit(3);
    ::raise(SIGKILL);
  }
  for (;;) fauna::barrier(mpi);
}

}  // namespace

int main(int n, char** words) {
  try {
    if (n == 3) return fauna::on_mpi_ranks([&](fauna::Mpi& mpi) { return end(mpi, std::stoi(words[1]), words[2]); });
    fauna::Mpi mpi(words[1] == std::string("whole") ? std::size_t{1} << 30 : 7);
    exchange(mpi);
    return 0;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
