// What compilations leave behind, within bounds.
#pragma once
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace tool {

/// The process of NAME.PROCESS, as an unfinished file is called; 0 of any other name.
inline pid_t process_of(std::filesystem::path const& file) {
  const std::string end = file.extension().string();  // with its dot
  if (end.size() < 2 || end.size() > 11 || end.find_first_not_of("0123456789", 1) != std::string::npos) return 0;
  return static_cast<pid_t>(std::atoll(end.c_str() + 1));
}

/// Keeps, of the files in a folder whose names begin so, the `kept` that were used last; and removes all that are
/// unfinished and whose process is no more. What is in use meanwhile stays readable for a process that has opened it.
inline void tidy(std::filesystem::path const& folder, std::string const& prefix, std::size_t kept) {
  namespace fs = std::filesystem;
  std::error_code none;  // another process may have been quicker
  std::vector<std::pair<fs::file_time_type, fs::path>> finished;
  for (auto const& e : fs::directory_iterator(folder, none)) {
    if (!e.is_regular_file(none)) continue;
    if (const pid_t process = process_of(e.path()); process > 0) {
      if (::kill(process, 0) != 0 && errno == ESRCH) fs::remove(e.path(), none);
    } else if (e.path().filename().string().starts_with(prefix)) {
      finished.emplace_back(e.last_write_time(none), e.path());
    }
  }
  std::sort(finished.begin(), finished.end(), [](auto const& a, auto const& b) { return a.first > b.first; });
  for (std::size_t i = kept; i < finished.size(); ++i) fs::remove(finished[i].second, none);
}

/// Says that a file was used now.
inline void touch(std::filesystem::path const& file) {
  std::error_code none;
  std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now(), none);
}

}  // namespace tool
