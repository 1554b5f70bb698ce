// Checkpoints that all ranks write, each what it keeps (train/parts.hpp):
//   OUT/step-N/rank-R.safetensors         the parts
//   OUT/step-N/checkpoint.safetensors     their manifest, once all of them are written: without it the folder is none
//   OUT/last.safetensors                  the same, and the last step: it changes when all else is on the disk
#pragma once
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <fauna/dist/shards.hpp>
#include <fauna/io/background_files.hpp>
#include <fauna/train/checkpoint.hpp>

namespace fauna::inline v0 {

namespace checkpoint {

inline constexpr char own_manifest[] = "/checkpoint.safetensors";

/// step-N, or step-N.M where there are others already.
inline std::string step_name(long long iteration, int number) {
  return "step-" + std::to_string(iteration) + (number > 0 ? '.' + std::to_string(number) : "");
}

inline std::string part_name(int rank) { return "rank-" + std::to_string(rank) + ".safetensors"; }

/// A rank's part of a checkpoint, on its way to FOLDER/rank-R.safetensors.
class PartFile {
 public:
  /// `later`: from a copy, and beside the caller, who may go on with the model.
  template <class T>
  void write(T const& model, std::vector<Shard> const& shards, std::string const& folder, int rank, bool later) {
    waits_ = true;
    folder_ = folder;
    wrong_.clear();
    std::vector<ElementRange> own;
    own.reserve(shards.size());
    for (Shard const& s : shards) own.push_back({s.cut.at(rank), s.cut.at(rank + 1)});
    const std::string path = folder + '/' + part_name(rank);
    attempt([&] {
      make_directories(folder);
      const Part part = part_of(model, own);
      if (later) {
        std::string bytes =
            safetensors_bytes(path, part.tensors, part.metadata, [](SafeTensor const& t) { return t.data; });
        sum_ = checksum_of(bytes.data(), bytes.size());
        file_.stage(std::move(bytes));
        file_.write(path);
      } else {
        write_safetensors(path, part.tensors, part.metadata);
        sum_ = file_checksum(path);
      }
    });
  }
  /// Is there a part that nobody has joined?
  bool waits() const { return waits_; }
  /// Would join() wait for no thread?
  bool ended() const { return file_.ended(); }
  /// Waits for each rank's part; the lines that know them, from their folder. Throws, on every rank, where one of them
  /// could not be written. `most(x)`: the largest x of all ranks.
  template <Communicator C, class Most> std::string join(C& c, Most&& most) {
    waits_ = false;
    attempt([this] { file_.wait(); });
    if (const int failed = most(wrong_.empty() ? 0 : c.rank() + 1); failed > 0)
      fail("checkpoint", "rank " + std::to_string(failed - 1) + " could not write its part of " + folder_, {},
           "the checkpoints before it are kept" + (wrong_.empty() ? "" : ": " + wrong_));
    std::string lines;
    const auto sums = all_gather(c, sum_);
    for (int r = 0; r < c.size(); ++r)
      lines += part_name(r) + ' ' + number_text::of(sums[static_cast<std::size_t>(r)]) + '\n';
    return lines;
  }

 private:
  /// All ranks join, so that an error waits until then.
  template <class F> void attempt(F&& f) {
    try {
      f();
    } catch (std::exception const& e) {
      wrong_ = e.what();
    }
  }
  BackgroundFiles file_;
  bool waits_ = false;
  std::uint64_t sum_ = 0;
  std::string folder_, wrong_;
};

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
