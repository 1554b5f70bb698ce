// mpi_ranks whole|cut: parcels of all sizes arrive on the ranks that mpirun has started, in one message or in many.
// mpi_ranks RANK throw|exit|kill|stop: that rank ends so, or hangs, while the others wait for it.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>

#include <fauna/dist/collectives.hpp>
#include <fauna/dist/mpi.hpp>

namespace {

static_assert(fauna::AsynchronousCommunicator<fauna::Mpi>);

/// What rank `from` sends to rank `to`: some bytes, or none.
std::vector<unsigned char> parcel(int from, int to) {
  std::vector<unsigned char> bytes(static_cast<std::size_t>(100 * ((from + 2 * to) % 4) + from));
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<unsigned char>(i + static_cast<std::size_t>(37 * from + 101 * to));
  return bytes;
}

void exchange(fauna::Mpi& mpi) {
  std::vector<fauna::Mpi::Pending> begun;
  constexpr std::size_t rounds = 20;
  std::vector<std::vector<std::vector<unsigned char>>> sent(rounds), arrived(rounds);  // of each round and rank
  const auto check = [&](std::size_t round) {
    for (int r = 0; r < mpi.size(); ++r)
      if (r != mpi.rank() &&
          arrived[round][static_cast<std::size_t>(r)] != parcel(r, mpi.rank() + static_cast<int>(round)))
        mpi.abort(("the parcel of rank " + std::to_string(r) + " in round " + std::to_string(round)).c_str());
  };
  for (std::size_t round = 0; round < rounds; ++round) {  // one after another, nothing overtakes
    fauna::Parcels parcels(mpi.size());
    for (int r = 0; r < mpi.size(); ++r) {
      sent[round].push_back(parcel(mpi.rank(), r + static_cast<int>(round)));
      arrived[round].emplace_back(parcel(r, mpi.rank() + static_cast<int>(round)).size(), 255);
      parcels.send(r, sent[round].back().data(), sent[round].back().size());
      parcels.receive(r, arrived[round].back().data(), arrived[round].back().size());
    }
    if (round % 3 == 0) {  // and some are left to themselves
      begun.push_back(parcels.begin(mpi));
      continue;
    }
    parcels.exchange(mpi);
    check(round);
  }
  for (std::size_t i = 0; i < begun.size(); ++i) {
    if (i % 2 == 0) begun[i].wait();
    while (!begun[i].ended()) {}
    check(3 * i);
  }
  if (mpi.rank() == 0) std::printf("%d ranks have exchanged\n", mpi.size());
}

int end(fauna::Mpi& mpi, int rank, std::string const& how) {
  if (how == "stop") mpi.give_up_after(2);
  for (int i = 0; i < 10; ++i) fauna::barrier(mpi);
  if (mpi.rank() == rank) {
    if (how == "throw") throw std::runtime_error("no more");
    if (how == "exit") ::_exit(3);
    if (how == "stop") ::raise(SIGSTOP);
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
