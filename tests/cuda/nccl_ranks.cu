// The NCCL communicator: compiled and linked wherever there is nvcc with NCCL. With devices, one for each of MPI's
// ranks
// (`mpirun -n N program`), bytes go round from memory of both kinds, and in groups; without any it says so.
#include <cstdio>
#include <cstdlib>

#include <fauna/dist/mpi.hpp>
#include <fauna/dist/nccl.cuh>

namespace {

using namespace fauna;
static_assert(AsynchronousCommunicator<Nccl> && SplitCommunicator<Nccl>);

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "nccl_ranks: %s\n", what);
  std::exit(1);
}
/// Each rank sends its number, as many times as the receiver's number says and once more, from the host or the device.
void round_trip(Nccl& ranks, bool device) {
  const int n = ranks.size(), own = ranks.rank(), most = 64;
  std::vector<int> out(static_cast<std::size_t>(n * most), own), in(out.size(), -1);
  int *from = out.data(), *to = in.data(), *memory = nullptr;
  const std::size_t bytes = out.size() * sizeof(int);
  if (device) {
    require(cudaMalloc(&memory, 2 * bytes) == cudaSuccess, "no memory on the device");
    from = memory;
    to = memory + out.size();
    require(cudaMemcpy(from, out.data(), bytes, cudaMemcpyHostToDevice) == cudaSuccess, "no copy");
  }
  Parcels parcels(n);
  for (int r = 0; r < n; ++r)
    if (r != own) {
      parcels.send(r, from + r * most, static_cast<std::size_t>(r + 1));
      parcels.receive(r, to + r * most, static_cast<std::size_t>(own + 1));
    }
  parcels.exchange(ranks);
  if (device) require(cudaMemcpy(in.data(), to, bytes, cudaMemcpyDeviceToHost) == cudaSuccess, "no copy back");
  for (int r = 0; r < n; ++r)
    for (int i = 0; i < most; ++i)
      require(in[static_cast<std::size_t>(r * most + i)] == (r != own && i <= own ? r : -1) || device,
              "another number has arrived");
  for (int r = 0; r < n; ++r)
    for (int i = 0; r != own && i <= own; ++i)
      require(in[static_cast<std::size_t>(r * most + i)] == r, "another number has arrived");
  if (memory != nullptr) (void)cudaFree(memory);
}

}  // namespace

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("nccl_ranks: there is no device here\n");
    return 77;
  }
  return on_mpi_ranks([devices](Mpi& mpi) {
    require(devices >= mpi.on_machine(), "more ranks than devices");
    Nccl ranks = Nccl::among(mpi, mpi.rank() % devices);
    require(ranks.rank() == mpi.rank() && ranks.size() == mpi.size(), "another rank");
    for (const bool device : {true, false}) round_trip(ranks, device);
    Nccl half = ranks.split(ranks.rank() % 2);
    round_trip(half, true);
    std::printf("nccl_ranks: rank %d of %d, well\n", ranks.rank(), ranks.size());
    return 0;
  });
}
