// Memory of a benchmark, with an arena on it.
#pragma once
#include <cstdlib>

#include <fauna/core/arena.hpp>

struct Memory {
  void* data;
  fauna::Arena arena;
  explicit Memory(std::size_t bytes)
      : data(std::aligned_alloc(fauna::alignment, fauna::aligned(bytes + 1))), arena(data, fauna::aligned(bytes + 1)) {}
  Memory(Memory const&) = delete;
  Memory& operator=(Memory const&) = delete;
  ~Memory() { std::free(data); }
};
