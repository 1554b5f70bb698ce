// Host memory for plans: whole pages from the system, huge ones where it has them, zero until written. Nothing else in
// the library allocates in a training step.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <type_traits>
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

  /// Gives whole pages within bytes [from, to) back to the system; their values are lost.
  void discard(std::size_t from, std::size_t to) const { (void)give_back(from, to); }
  /// Bytes [from, to) become zero; those of whole pages by giving them back.
  void clear(std::size_t from, std::size_t to) const {
    const Pages whole = pages(from, to);
    if (whole.first >= whole.last || !give_back(from, to)) {
      std::memset(base_ + from, 0, to - from);
      return;
    }
    std::memset(base_ + from, 0, whole.first - from);
    std::memset(base_ + whole.last, 0, to - whole.last);
  }
  /// For memory of which parts are given back: no page is larger than they.
  void in_small_pages() const {
#ifdef MADV_NOHUGEPAGE
    if (bytes() > 0) ::madvise(base_, bytes_, MADV_NOHUGEPAGE);
#endif
  }

 private:
  static constexpr std::size_t page = 4096, huge = std::size_t{2} << 20;
  struct Pages {
    std::size_t first, last;
  };
  /// Whole pages of the system within bytes [from, to).
  static Pages pages(std::size_t from, std::size_t to) {
    static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return {(from + size - 1) / size * size, to / size * size};
  }
  /// False where the system does not take them.
  bool give_back(std::size_t from, std::size_t to) const {
    const Pages whole = pages(from, to);
    return whole.first >= whole.last || ::madvise(base_ + whole.first, whole.last - whole.first, MADV_DONTNEED) == 0;
  }
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

/// Rows in the host's memory become what a storage holds; f32 is rounded to bf16 to nearest, ties to even.
template <class B, class T, class S> void fill(B const&, Matrix<T>& to, Matrix<const S> rows) {
  if constexpr (std::is_same_v<T, S>) {
    memory<B>::write(to.data(), rows.data(), to.size());
  } else {
    const std::vector<T> converted(rows.data(), rows.data() + rows.size());
    memory<B>::write(to.data(), converted.data(), to.size());
  }
}

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

/// A copy of a matrix for the host: its rows one by one, or all at once where they lie together.
template <class B, class T> void read_rows(Matrix<T> host, Matrix<const std::type_identity_t<T>> tensor) {
  const int cols = tensor.cols(), together = host.stride() == cols && tensor.stride() == cols ? tensor.rows() : 1;
  for (int r = 0; r < tensor.rows(); r += together)
    memory<B>::read(host.row(r), tensor.row(r), static_cast<std::size_t>(together) * static_cast<std::size_t>(cols));
}

/// Memory of at least so many bytes: what is there, or new.
template <class R> void grow(R& region, std::size_t bytes) {
  if (bytes > region.bytes()) region = R(bytes);
}

/// Where the calls of a model work: the backend's scratch, the host's beside it where the two are apart, and memory for
/// results on their way to the host.
template <class B> class Scratch {
 public:
  void grow(std::size_t bytes) {
    fauna::grow(region_, bytes);
    arena_ = region_.arena();
    if constexpr (memory<B>::remote) {  // the host's pages cost nothing until they are written
      fauna::grow(host_region_, bytes);
      host_ = host_region_.arena();
    }
  }
  /// The policy, to work here for as long as this stays where it is.
  B backend(int threads) {
    B b{};
    b.threads = threads;
    b.scratch = &arena_;
    if constexpr (memory<B>::remote) b.host_scratch = &host_;
    return b;
  }
  /// f(z) writes what the host wants in y: z is y itself, or a tensor that is then copied there.
  template <class T, class F> void to_host(Matrix<T> y, F&& f) {
    if constexpr (memory<B>::remote) {
      const Matrix<T> z = results<T>(y.rows(), y.cols());
      f(z);
      read_rows<B>(y, z);
    } else {
      f(y);
    }
  }
  /// Results that stay where they are, until others come.
  template <class T> Matrix<T> results(int rows, int cols) {
    fauna::grow(results_, static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * sizeof(T));
    return Matrix<T>(static_cast<T*>(results_.data()), rows, cols);
  }

 private:
  typename memory<B>::region region_, results_;
  Region host_region_;
  Arena arena_, host_;
};

}  // namespace fauna::inline v0
