// fauna download: a model directory from a hub.
#pragma once
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/file.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <tools/src/hub.hpp>
#include <tools/src/model_files.hpp>
#include <tools/src/settings/data.hpp>

namespace tool {

/// Throws on what is not ORG/NAME: it becomes part of addresses and of a path.
inline void check_repository(std::string const& name) {
  const std::size_t slash = name.find('/');
  const auto word = [](std::string const& w) {
    const bool known =
        w.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == std::string::npos;
    return known && w.find_first_not_of('.') != std::string::npos;
  };
  if (slash == std::string::npos || !word(name.substr(0, slash)) || !word(name.substr(slash + 1)))
    fauna::fail("download", "the model '" + name + '\'', "ORG/NAME, as the hub calls it");
}

/// The files that are wanted. Throws where there are none, or a pattern is of none.
inline std::vector<HubFile> wanted_files(Repository const& r, std::vector<std::string> const& patterns) {
  std::vector<HubFile> wanted;
  std::vector<bool> met(patterns.size());
  bool config = false, weights = false;
  std::string all;
  const bool safe = std::any_of(r.files.begin(), r.files.end(), [](HubFile const& f) {
    return is_model_file(f.path) && f.path.ends_with(".safetensors");
  });
  for (HubFile const& f : r.files) {
    all += (all.empty() ? "" : ", ") + f.path;
    bool take = patterns.empty() && is_model_file(f.path) && !(safe && is_pytorch_file(f.path));
    for (std::size_t i = 0; i < patterns.size(); ++i)
      if (::fnmatch(patterns[i].c_str(), f.path.c_str(), 0) == 0) take = met[i] = true;
    config = config || (take && f.path == "config.json");
    weights = weights || (take && (f.path.ends_with(".safetensors") || f.path.ends_with(".bin")));
    if (take) wanted.push_back(f);
  }
  const std::string has = r.name + " has no ", what = "one of its files: " + (all.empty() ? "none" : all);
  for (std::size_t i = 0; i < patterns.size(); ++i)
    if (!met[i]) fauna::fail("download", has + patterns[i], what);
  if (patterns.empty() && !(config && weights))
    fauna::fail("download", has + (config ? "model.safetensors" : "config.json"), "a model directory",
                "--include PATTERN fetches what it has: " + all);
  return wanted;
}

/// Fetches what is not there yet, or not as the hub has it.
inline void download(std::string const& name, settings::Download const& s) {
  check_repository(name);
  const Hub hub = Hub::from_environment();
  const std::string folder = s.out.empty() ? "models/" + name : s.out;
  const Repository r = hub.list(name, s.revision);
  const std::vector<HubFile> files = wanted_files(r, s.include);
  fauna::make_directories(folder);
  // One at a time writes there. A curl that outlives this process inherits the lock.
  const fauna::Descriptor lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY));
  if (lock.get() < 0) fauna::io_fail("open", folder, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    fauna::fail("download", "another download writes to " + folder, "one at a time");
  std::uint64_t fetched = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    HubFile const& f = files[i];
    const std::string path = folder + '/' + f.path;
    const bool is_there = fauna::exists(path);
    const bool right = is_there && size_of(path) == f.size && hub_hash(path, f.large) == f.hash;
    say(path + ", " + fauna::bytes_text(f.size) + " (" + std::to_string(i + 1) + " of " + std::to_string(files.size()) +
        ')' +
        (right      ? ": there already"
         : is_there ? ": another is there, it is replaced"
                    : ""));
    if (right) continue;
    hub.fetch(r, f, path);
    fetched += f.size;
  }
  say(folder + " is " + name + " at " + r.commit + ": " + std::to_string(files.size()) + " files, " +
      fauna::bytes_text(fetched) + " of them new");
}

}  // namespace tool
