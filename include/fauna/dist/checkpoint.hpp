// Checkpoints that all ranks write, each what it keeps (train/parts.hpp):
//   OUT/step-N/rank-R.safetensors         the parts
//   OUT/step-N/checkpoint.safetensors     their manifest, once all of them are written: without it the folder is none
//   OUT/last.safetensors                  the same, and the last step: it changes when all else is on the disk
#pragma once
#include <cstdlib>
#include <string>
#include <vector>

#include <fauna/dist/shards.hpp>
#include <fauna/train/checkpoint.hpp>

namespace fauna::inline v0 {

namespace checkpoint {

inline constexpr char own_manifest[] = "/checkpoint.safetensors";

/// step-N, or step-N.M where there are others already.
inline std::string step_name(long long iteration, int number) {
  return "step-" + std::to_string(iteration) + (number > 0 ? '.' + std::to_string(number) : "");
}

/// Each rank writes its part below OUT/NAME; the lines that know them, from that folder. Throws, on every rank, where
/// one of them could not. `most(x)`: the largest x of all ranks.
template <Communicator C, class T, class Most>
std::string write_parts(C& c, T const& model, std::vector<Shard> const& shards, std::string const& folder,
                        Most&& most) {
  const int me = c.rank();
  const auto name = [](int r) { return "rank-" + std::to_string(r) + ".safetensors"; };
  std::uint64_t sum = 0;
  std::string wrong;
  try {
    make_directories(folder);
    std::vector<ElementRange> own;
    own.reserve(shards.size());
    for (Shard const& s : shards) own.push_back({s.cut.at(me), s.cut.at(me + 1)});
    write_part(folder + '/' + name(me), model, own);
    sum = file_checksum(folder + '/' + name(me));
  } catch (std::exception const& e) {
    wrong = e.what();
  }
  if (const int failed = most(wrong.empty() ? 0 : me + 1); failed > 0)
    fail("checkpoint", "rank " + std::to_string(failed - 1) + " could not write its part of " + folder, {},
         "the checkpoints before it are kept" + (wrong.empty() ? "" : ": " + wrong));
  std::string lines;
  const auto sums = all_gather(c, sum);
  for (int r = 0; r < c.size(); ++r) lines += name(r) + ' ' + number_text::of(sums[static_cast<std::size_t>(r)]) + '\n';
  return lines;
}

/// The names in a folder.
inline std::vector<std::string> names_in(std::string const& folder) {
  std::vector<std::string> names;
  DIR* const all = ::opendir(folder.c_str());
  if (all == nullptr) io_fail("list", folder, errno);
  while (const dirent* entry = ::readdir(all))
    if (std::string name = entry->d_name; name != "." && name != "..") names.push_back(std::move(name));
  ::closedir(all);
  return names;
}

/// Removes what is in OUT of checkpoints in parts, but for the last `keep` up to `head`'s, and for those that
/// last.safetensors and best.safetensors know.
inline void keep_parts(std::string const& out, int keep, CheckpointHead const& head) {
  std::string known;
  for (const char* name : {"/last.safetensors", "/best.safetensors"})
    if (exists(out + name)) known += '\n' + parts_of(SafeTensors(out + name));
  std::vector<std::string> none;
  std::vector<std::pair<long long, std::string>> steps;  // of this run, whole, the last ones first
  for (std::string const& name : names_in(out)) {
    const std::string manifest = out + '/' + name + own_manifest;
    if (name.size() < 6 || name.compare(0, 5, "step-") != 0 || name.find_first_not_of("0123456789", 5) != name.npos ||
        !is_directory(out + '/' + name))
      continue;
    const long long iteration = std::atoll(name.c_str() + 5);
    if (!exists(manifest) || iteration > head.progress.iteration || read_head(SafeTensors(manifest)).run != head.run) {
      none.push_back(name);
      continue;
    }
    std::size_t at = 0;
    while (at < steps.size() && steps[at].first > iteration) ++at;
    steps.insert(steps.begin() + static_cast<std::ptrdiff_t>(at), {iteration, name});
  }
  for (std::size_t i = static_cast<std::size_t>(keep); i < steps.size(); ++i) none.push_back(steps[i].second);
  for (std::string const& name : none) {
    if (known.find('\n' + name + '/') != known.npos) continue;
    const std::string folder = out + '/' + name;
    ::unlink((folder + own_manifest).c_str());  // first, so that it is never half a checkpoint
    for (std::string const& file : names_in(folder))
      if (file.compare(0, 5, "rank-") == 0) ::unlink((folder + '/' + file).c_str());  // nothing of others
    ::rmdir(folder.c_str());
  }
}

}  // namespace checkpoint

}  // namespace fauna::inline v0
