// Simt: a policy that runs the GPU's kernels on the CPU. Products come from the reference; what surrounds them
// (rounding, bias, activation, gate) are the kernels around cuBLASLt. Memory of a model on this policy can only be
// touched by kernels and copies: a stray access by the host dies as it would beside a real device.
#pragma once
#include <sys/mman.h>

#include <fauna/backend/memory.hpp>

#include "memory.hpp"
#include "simt.hpp"

namespace test {

/// What a policy's upload and temporary return.
template <class T> class DeviceArray {
 public:
  explicit DeviceArray(std::size_t n, const T* from = nullptr) : memory_(n * sizeof(T)), null_(n == 0) {
    if (from != nullptr && n > 0) std::memcpy(memory_.as<void>(), from, n * sizeof(T));
  }
  T* data() const { return null_ ? nullptr : const_cast<Poisoned&>(memory_).as<T>(); }

 private:
  Poisoned memory_;
  bool null_;
};

/// Memory that is closed to the host unless somebody holds it open.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  explicit DeviceMemory(std::size_t bytes) : region_(bytes) {
    DeviceMemory** free_slot = nullptr;
    for (auto*& slot : all())
      if (slot == nullptr) free_slot = &slot;
    if (free_slot == nullptr) throw std::bad_alloc();
    *free_slot = this;
    protect(opened() > 0);
  }
  DeviceMemory(DeviceMemory&& o) noexcept : region_(std::move(o.region_)) { replace(&o, this); }
  DeviceMemory& operator=(DeviceMemory&& o) noexcept {
    if (this == &o) return *this;
    replace(this, nullptr);
    region_ = std::move(o.region_);
    replace(&o, this);
    return *this;
  }
  ~DeviceMemory() { replace(this, nullptr); }
  void* data() const { return region_.data(); }
  std::size_t bytes() const { return region_.bytes(); }
  fauna::Arena arena() const { return region_.arena(); }

  /// While one lives, all of the memory is open.
  struct Open {
    Open() {
      if (opened()++ == 0) protect_all(true);
    }
    Open(Open const&) = delete;
    Open& operator=(Open const&) = delete;
    ~Open() {
      if (--opened() == 0) protect_all(false);
    }
  };

 private:
  static DeviceMemory* (&all())[64] {
    static DeviceMemory* list[64] = {};
    return list;
  }
  static int& opened() {
    static int n = 0;
    return n;
  }
  static void replace(DeviceMemory* from, DeviceMemory* to) {
    for (auto*& slot : all())
      if (slot == from && from != nullptr) slot = to;
  }
  static void protect_all(bool open) {
    for (DeviceMemory* m : all())
      if (m != nullptr) m->protect(open);
  }
  void protect(bool open) const {
    if (region_.bytes() > 0) ::mprotect(region_.data(), region_.bytes(), open ? PROT_READ | PROT_WRITE : PROT_NONE);
  }
  fauna::Region region_;
};

/// Of every Simt policy.
struct SimtRuns {
  static inline simt::order order = simt::order::ascending;
  static inline long launches = 0;
  static constexpr bool same_sums = true;  ///< in bf16 products, however their operands were rounded
};

template <class Products> struct Simt : SimtRuns {
  using scalar = float;
  using products = Products;
  using Thread = simt::Thread;
  using weight = fauna::simt::weight_for<Products>;
  static constexpr long long logits_bytes = 8192;  ///< of cross_entropy at once: few, so that there are several chunks
  int threads = 1;
  fauna::Arena* scratch = nullptr;
  fauna::Arena* host_scratch = nullptr;

  template <class K> void launch(K const& kernel, long long blocks) const {
    const DeviceMemory::Open open;
    ++launches;
    simt::run(kernel, static_cast<int>(blocks), order);
  }
  template <class T> DeviceArray<T> upload(const T* host, int n) const {
    return DeviceArray<T>(static_cast<std::size_t>(n), host);
  }
  template <class T> void download(T* host, const T* device, int n) const {
    const DeviceMemory::Open open;
    std::memcpy(host, device, static_cast<std::size_t>(n) * sizeof(T));
  }
  template <class T> DeviceArray<T> temporary(std::size_t n) const { return DeviceArray<T>(n); }
};

using Kernels = Simt<fauna::f32_products>;
using Bf16Kernels = Simt<fauna::bf16_products>;

}  // namespace test

namespace fauna::inline v0 {

template <class P> struct memory<test::Simt<P>> {
  using region = test::DeviceMemory;
  static constexpr bool remote = true;
  template <class T> static void write(T* tensor, const T* host, std::size_t n) {
    const test::DeviceMemory::Open open;
    std::memcpy(static_cast<void*>(tensor), host, n * sizeof(T));
  }
  template <class T> static void read(T* host, const T* tensor, std::size_t n) {
    const test::DeviceMemory::Open open;
    std::memcpy(static_cast<void*>(host), tensor, n * sizeof(T));
  }
};

}  // namespace fauna::inline v0
