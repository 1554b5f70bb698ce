// Host memory for plans: whole pages from the system, huge ones where it has them, zero until written. Nothing else in
// the library allocates in a training step.
#pragma once
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include <fauna/core/arena.hpp>

namespace fauna::inline v0 {

class Region {
 public:
  Region() = default;
  /// Throws when the system has not so much address space. Pages become real when they are first written.
  explicit Region(std::size_t bytes) : bytes_((bytes + page - 1) / page * page) {
    if (bytes_ == 0) return;
    void* p = ::mmap(nullptr, bytes_ + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
      fail("memory", "the system refused " + std::to_string(bytes_) + " bytes", "room for the plan",
           "would a smaller batch or context fit?");
    mapped_ = p;
    // Aligned to a huge page, so that large regions need few translations; small ones keep small pages.
    const auto at = reinterpret_cast<std::size_t>(p), up = (at + huge - 1) / huge * huge;
    base_ = static_cast<std::byte*>(p) + (up - at);
#ifdef MADV_HUGEPAGE
    if (bytes_ >= huge) ::madvise(base_, bytes_ / huge * huge, MADV_HUGEPAGE);
#endif
  }
  Region(Region&& o) noexcept : mapped_(o.mapped_), base_(o.base_), bytes_(o.bytes_) { o.mapped_ = nullptr; }
  Region& operator=(Region&& o) noexcept {
    if (this != &o) {
      release();
      mapped_ = o.mapped_;
      base_ = o.base_;
      bytes_ = o.bytes_;
      o.mapped_ = nullptr;
    }
    return *this;
  }
  ~Region() { release(); }

  void* data() const { return base_; }
  std::size_t bytes() const { return mapped_ ? bytes_ : 0; }
  Arena arena() const { return mapped_ ? Arena(base_, bytes_) : Arena(); }

 private:
  static constexpr std::size_t page = 4096, huge = std::size_t{2} << 20;
  void release() {
    if (mapped_ != nullptr) ::munmap(mapped_, bytes_ + huge);
    mapped_ = nullptr;
  }
  void* mapped_ = nullptr;
  std::byte* base_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Where a backend's tensors lie, and how the host reaches them: in its own memory, unless the backend says otherwise.
template <class B> struct memory {
  using region = Region;
  static constexpr bool remote = false;
  template <class T> static void write(T* tensor, const T* host, std::size_t n) {
    std::memcpy(static_cast<void*>(tensor), host, n * sizeof(T));
  }
  template <class T> static void read(T* host, const T* tensor, std::size_t n) {
    std::memcpy(static_cast<void*>(host), tensor, n * sizeof(T));
  }
};

/// n elements of a tensor for the host to read: themselves, or a copy.
template <class B, class T> class OnHost {
 public:
  OnHost(const T* tensor, std::size_t n) : data_(tensor), copy_(memory<B>::remote ? n : 0) {
    if constexpr (memory<B>::remote) {
      memory<B>::read(copy_.data(), tensor, n);
      data_ = copy_.data();
    }
  }
  OnHost(OnHost const&) = delete;
  OnHost& operator=(OnHost const&) = delete;
  const T* data() const { return data_; }

 private:
  const T* data_;
  std::vector<T> copy_;
};

}  // namespace fauna::inline v0
