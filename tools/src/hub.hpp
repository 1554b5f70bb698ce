// A hub of models that speaks Hugging Face's HTTP API: the list of a repository's files, and their bytes. curl speaks
// HTTP; what it is to do it reads from its standard input, so that the token is in no command line.
// https://huggingface.co/docs/hub/api: model info with "blobs", and "resolve".
#pragma once
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/io/mapped.hpp>
#include <fauna/models/explain.hpp>
#include <tools/src/command.hpp>
#include <tools/src/say.hpp>
#include <tools/src/sha256.hpp>

namespace tool {

/// A file of a repository, as the hub lists it.
struct HubFile {
  std::string path{};
  std::uint64_t size = 0;
  bool large = false;  ///< in LFS: named by the SHA-256 of its bytes; the others by git, with SHA-1
  std::string hash{};  ///< in hexadecimal
};

/// The hash that the hub names the bytes of a file by. Git's is of "blob", their number, a zero and the bytes.
inline std::string hub_hash(std::string const& path, bool large) {
  const fauna::Mapped file(path);
  if (large) return sha256(file.text());
  const std::string head = "blob " + std::to_string(file.size()) + '\0';
  const Said said = ask({"sha1sum"}, head + std::string(file.text()));
  if (said.status != 0 || said.text.size() < 40) fauna::fail("download", "sha1sum does not run", "coreutils'");
  return said.text.substr(0, 40);
}

/// The size of a file; 0 where there is none.
inline std::uint64_t size_of(std::string const& path) {
  std::error_code none;
  const auto size = std::filesystem::file_size(path, none);
  return none ? 0 : size;
}

/// A revision of a repository.
struct Repository {
  std::string name{}, commit{};
  std::vector<HubFile> files{};
};

class Hub {
 public:
  using Json = nlohmann::json;

  /// HF_ENDPOINT says where, and HF_TOKEN who asks. Throws on what no address and no token has.
  static Hub from_environment() {
    const auto variable = [](const char* name) {
      const char* value = std::getenv(name);
      return std::string(value != nullptr ? value : "");
    };
    const auto plain = [](std::string const& text) {
      return std::all_of(text.begin(), text.end(),
                         [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\' && c != '@'; });
    };
    Hub hub;
    hub.token_ = variable("HF_TOKEN");
    if (!plain(hub.token_)) fauna::fail("download", "HF_TOKEN has a character that no token has", "letters and digits");
    if (const std::string where = variable("HF_ENDPOINT"); !where.empty()) hub.where_ = where;
    while (hub.where_.ends_with('/')) hub.where_.pop_back();
    if (!plain(hub.where_) || (!hub.where_.starts_with("https://") && !hub.where_.starts_with("http://")))
      fauna::fail("download", "HF_ENDPOINT is no address", "https://HOST", "a token goes into HF_TOKEN");
    return hub;
  }

  /// The files of ORG/NAME at a branch, tag or commit. Throws where the hub has none, or answers with what is no list;
  /// on paths that would leave a folder, too.
  Repository list(std::string const& name, std::string const& revision) const {
    const std::string url = where_ + "/api/models/" + name + "/revision/" + encoded(revision, "") + "?blobs=true";
    const Answer a = get(url, "");
    if (a.status != 0) refuse(a, url, name);
    try {
      const Json all = Json::parse(a.body);
      Repository r{name, all.value("sha", revision)};
      for (Json const& f : all.at("siblings")) r.files.push_back(file_of(f));
      return r;
    } catch (Json::exception const& e) {
      fauna::fail("download", url + " does not answer with a list of files (" + e.what() + ')',
                  "siblings with rfilename, size, blobId and lfs");
    }
  }

  /// Writes a file to `path`, which it becomes once its size and hash are those of the list. What a cut connection has
  /// left is kept beside it, as PATH.HASH.part, and gone on with.
  void fetch(Repository const& from, HubFile const& file, std::string const& path) const {
    const std::string part = path + '.' + file.hash.substr(0, 16) + ".part";
    fauna::make_directories(std::filesystem::path(path).parent_path().string());
    if (file.size == 0) fauna::write_file(part, "");  // of which curl would make no file
    fetch_all(from, file, path, part);
    const std::uint64_t size = size_of(part);
    const std::string found = size == file.size ? hub_hash(part, file.large) : std::to_string(size) + " bytes",
                      expected = size == file.size ? file.hash : std::to_string(file.size);
    if (found != expected) {
      std::filesystem::remove(part);
      fauna::fail("download",
                  path + " came as " + (size == file.size ? file.large ? "SHA-256 " : "git's " : "") + found, expected,
                  "what came is removed, nothing else is");
    }
    const auto flushed = fauna::Descriptor::for_reading(part);
    if (::fsync(flushed.get()) != 0 && errno != EINVAL) fauna::io_fail("flush", part, errno);
    std::filesystem::rename(part, path);
  }

 private:
  struct Answer {
    int status = 0;       ///< curl's
    std::string http{};   ///< the hub's, in digits
    std::string error{};  ///< curl's sentence
    std::string body{};
  };
  // curl's exit codes.
  static constexpr int http_error = 22, no_ranges = 33, not_installed = 127;

  static std::string encoded(std::string const& text, std::string const& kept) {
    std::string all;
    for (const char c : text) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      const auto byte = static_cast<unsigned char>(c);
      if (letter || (std::string("-._~") + kept).find(c) != std::string::npos) all += c;
      else (all += '%') += {"0123456789ABCDEF"[byte >> 4U], "0123456789ABCDEF"[byte & 15U]};
    }
    return all;
  }
  /// A value in curl's config files.
  static std::string quoted(std::string const& text) {
    std::string all = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') all += '\\';
      if (c == '\n') all += "\\n";
      else all += c;
    }
    return all + '"';
  }

  /// Lower-case hexadecimal of this many digits, as names of hashes and of temporaries have them.
  static std::string digits(Json const& value, std::size_t count) {
    const auto text = value.get<std::string>();
    if (text.size() != count || text.find_first_not_of("0123456789abcdef") != std::string::npos)
      fauna::fail("download", "the hub lists the hash '" + text + '\'', std::to_string(count) + " digits");
    return text;
  }
  static HubFile file_of(Json const& f) {
    HubFile file{f.at("rfilename").get<std::string>()};
    std::filesystem::path parts = file.path;
    bool inside = !file.path.empty() && !file.path.ends_with('/') && parts.is_relative();
    for (auto const& part : parts) inside = inside && part != ".." && part != "." && !part.empty();
    for (const char c : file.path) inside = inside && static_cast<unsigned char>(c) >= ' ' && c != '\x7f';
    if (!inside)
      fauna::fail("download", "the hub lists the file '" + encoded(file.path, "/ ") + '\'', "a path inside the folder",
                  "nothing is fetched");
    const auto lfs = f.find("lfs");
    file.large = lfs != f.end() && !lfs->is_null();
    file.hash = file.large ? digits(lfs->at("sha256"), 64) : digits(f.at("blobId"), 40);
    file.size = f.at("size").get<std::uint64_t>();
    return file;
  }

  /// The bytes into `part`, from where it ends. A connection that is cut is made again for as long as each one brings
  /// something.
  void fetch_all(Repository const& from, HubFile const& file, std::string const& path, std::string const& part) const {
    const std::string url =
        where_ + '/' + from.name + "/resolve/" + encoded(from.commit, "") + '/' + encoded(file.path, "/");
    bool ranges = true;
    for (std::uint64_t furthest = 0;;) {
      if (!ranges || size_of(part) > file.size) std::filesystem::remove(part);
      const std::uint64_t had = size_of(part);
      if (had == file.size) return;
      if (had > 0) say(path + ": going on after " + fauna::bytes_text(had));
      const Answer a = get(url, "output = " + quoted(part) + "\ncontinue-at = -\n");
      if (a.status == 0) return;
      if (a.status == no_ranges && ranges) {
        ranges = false;
        continue;
      }
      const std::uint64_t have = size_of(part);
      furthest = std::max(furthest, had);
      if (a.status == http_error || have <= furthest) refuse(a, url, from.name);
      say(path + ": cut after " + fauna::bytes_text(have) + " of " + fauna::bytes_text(file.size) + " (" + a.error +
          ')');
      furthest = have;
    }
  }

  /// Asks for `url`; `more` is config of curl.
  Answer get(std::string const& url, std::string const& more) const {
    const bool secure = where_.starts_with("https:");
    std::string config = "url = " + quoted(url) + "\nlocation\nfail\ngloboff\nproto = \"=http,https\"\nproto-redir = " +
                         (secure ? "\"=https\"" : "\"=http,https\"") +
                         "\nconnect-timeout = 30\nspeed-limit = 1\nspeed-time = 60\n"
                         "write-out = \"\\n%{http_code} %{errormsg}\"\n" +
                         (::isatty(2) == 1 && !more.empty() ? "progress-bar\n" : "silent\n") + more;
    // curl keeps it from other hosts that it is sent on to.
    if (!token_.empty()) config += "header = " + quoted("Authorization: Bearer " + token_) + '\n';
    // -q: a ~/.curlrc that asks for more words would have the token printed.
    const Said said = ask({"curl", "-q", "--config", "-"}, config);
    const std::size_t last = said.text.rfind('\n');
    Answer a{said.status};
    if (last == std::string::npos) return a;
    a.body = said.text.substr(0, last);
    const std::string end = said.text.substr(last + 1);
    a.http = end.substr(0, end.find(' '));
    a.error = end.substr(std::min(end.size(), a.http.size() + 1));
    return a;
  }

  [[noreturn]] void refuse(Answer const& a, std::string const& url, std::string const& name) const {
    const std::string found =
        url + ": " +
        (a.status == http_error ? a.http : "curl's error " + std::to_string(a.status) + " (" + a.error + ')');
    if (a.status == not_installed) fauna::fail("download", "curl does not run", "curl", "tools/setup installs it");
    if (a.http == "401")
      fauna::fail("download", found, token_.empty() ? "a token in HF_TOKEN" : "a token that the hub knows in HF_TOKEN",
                  "or there is no " + name + ": a hub may say the same of both");
    if (a.http == "403")
      fauna::fail("download", found, "a token that may read it", "ask for access on " + where_ + '/' + name);
    if (a.http == "404") fauna::fail("download", found, "a model, a revision and a file that the hub has");
    fauna::fail("download", found, "the file", "the same command goes on where this one stopped");
  }

  std::string where_ = "https://huggingface.co", token_;
};

}  // namespace tool
