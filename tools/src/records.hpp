// A file of JSON values, one a line or all in one array.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <fauna/io/file.hpp>
#include <fauna/io/json.hpp>

namespace tool {

/// Does a file hold records, by its name, and not a running text?
inline bool has_records(std::string const& path) { return path.ends_with(".jsonl") || path.ends_with(".json"); }

/// f(text, "FILE:LINE") for each value: those of an array where the file begins with '[', else each line that is not
/// empty. Returns how many. Throws, with file and line, on an array that is broken; of lines, f checks each.
template <class F> std::size_t for_each_record(std::string const& path, F&& f) {
  constexpr std::string_view white = " \t\r\n";
  const std::string file = fauna::read_file(path);
  const std::string_view all = file;
  std::size_t count = 0, line = 1, counted = 0;
  const auto where = [&](std::size_t at) {
    line += static_cast<std::size_t>(std::count(all.begin() + static_cast<std::ptrdiff_t>(counted),
                                                all.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    counted = at;
    return path + ':' + std::to_string(line);
  };
  const auto next = [&](std::size_t at) { return std::min(all.find_first_not_of(white, at), all.size()); };

  std::size_t at = next(0);
  if (at == all.size() || all[at] != '[') {
    while (at < all.size()) {
      const std::size_t end = std::min(all.find('\n', at), all.size());
      f(all.substr(at, end - at), where(at));
      ++count;
      at = next(end);
    }
    return count;
  }
  at = next(at + 1);
  for (bool more = at == all.size() || all[at] != ']'; more; ++count) {
    const std::string here = where(at);
    fauna::JsonReader in(all.substr(at), here);
    in.skip();
    f(all.substr(at, in.at()), here);
    at = next(at + in.at());
    more = at < all.size() && all[at] == ',';
    if (more) at = next(at + 1);
    else if (at == all.size() || all[at] != ']')
      fauna::fail("json", where(at) + ": " + (at == all.size() ? "the file ends" : std::string(1, all[at])),
                  "',' or ']' behind a value of the array");
  }
  at = next(at + 1);
  if (at < all.size()) fauna::fail("json", where(at) + ": more behind the array", "the end of the file");
  return count;
}

/// How many of so many train: all but the last share, of at least one; all where the share is 0.
inline std::size_t training_part(std::size_t count, double validation, std::string const& what) {
  if (validation == 0) return count;
  const auto n = std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(count) * validation));
  if (n >= count)
    fauna::fail("finetune", std::to_string(count) + ' ' + what + ", of which " + std::to_string(n) + " validate",
                "some to train on", "--val 0 trains on all");
  return count - n;
}

}  // namespace tool
