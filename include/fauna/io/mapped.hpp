// A file seen as memory, read-only: pages come from the disk when touched, and processes that map one file share them.
#pragma once
#include <sys/mman.h>

#include <fauna/io/file.hpp>

namespace fauna::inline v0 {

/// The bytes of a regular file, page-aligned. The file must not shrink while it is mapped: the kernel answers a read
/// past its new end with SIGBUS (files replaced by rename, as `NewFile` does, are safe).
class Mapped {
 public:
  Mapped() = default;
  explicit Mapped(std::string const& path) {
    const Descriptor in = Descriptor::for_reading(path);
    struct stat status {};
    if (::fstat(in.get(), &status) != 0) io_fail("map", path, errno);
    if (!S_ISREG(status.st_mode)) fail("io", path + " is not a regular file", "one that can be mapped");
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;  // mmap refuses a length of 0
    void* p = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, in.get(), 0);
    if (p == MAP_FAILED) io_fail("map", path, errno);
    data_ = static_cast<const std::byte*>(p);
  }
  Mapped(Mapped&& other) noexcept : data_(other.data_), size_(other.size_) {
    other.data_ = nullptr;
    other.size_ = 0;
  }
  Mapped& operator=(Mapped&& other) noexcept {
    const std::byte* data = data_;
    const std::size_t size = size_;
    data_ = other.data_;
    size_ = other.size_;
    other.data_ = data;  // unmapped when `other` ends
    other.size_ = size;
    return *this;
  }
  ~Mapped() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace fauna::inline v0
