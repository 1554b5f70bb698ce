// Text on its way to a stream: by its length, since a text may have any characters, and with every write checked, since
// a disk may be full.
#pragma once
#include <string_view>

#include <fauna/io/file.hpp>

namespace fauna::inline v0 {

/// Writes all of `text` and flushes. Throws, with the stream's `name`, where that cannot be done.
inline void print(std::FILE* to, std::string_view text, std::string const& name = "the output") {
  if (std::fwrite(text.data(), 1, text.size(), to) != text.size() || std::fflush(to) != 0)
    io_fail("write", name, errno);
}

}  // namespace fauna::inline v0
