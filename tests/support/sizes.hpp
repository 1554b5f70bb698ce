// How many sizes a test takes. Under the sanitizers, many times slower, each landing takes a few that together walk
// every path (FAUNA_FEWER_SIZES), and of attention's lowerings, which differ in their lanes alone, those of 4 and 8;
// other builds take all, and so do the sanitizers with tools/test --all.
#pragma once
#include <initializer_list>
#include <vector>

namespace test {

#if defined(FAUNA_FEWER_SIZES)
inline constexpr bool fewer_sizes = true;
#else
inline constexpr bool fewer_sizes = false;
#endif

template <class T> constexpr T size(T all, T few) { return fewer_sizes ? few : all; }
template <class T> std::vector<T> sizes(std::initializer_list<T> all, std::initializer_list<T> few) {
  return fewer_sizes ? few : all;
}

}  // namespace test
