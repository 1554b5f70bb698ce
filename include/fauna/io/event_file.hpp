// Numbers of a run for TensorBoard: a file of records, each a length, the event and their checksums (TensorFlow's
// TFRecord and event.proto).
//   record   u64 length | u32 masked CRC of the length | bytes | u32 masked CRC of the bytes       little-endian
//   event    1 wall_time f64, 2 step i64, 3 file_version text, 5 summary { 1 value { 1 tag, 2 simple_value f32 } },
//            7 session_log { 1 status: 1 starts: of an earlier session, steps from here on do not count }
#pragma once
#include <unistd.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>

#include <fauna/io/file.hpp>
#include <fauna/io/print.hpp>

namespace fauna::inline v0 {

/// CRC-32C (Castagnoli's polynomial, reflected: 0x82f63b78).
inline std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82f63b78U : 0);
      t[i] = c;
    }
    return t;
  }();
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(c)) & 255];
  return ~crc;
}

namespace event_detail {

/// A number's bytes, the lowest first.
inline std::string bytes_of(std::uint64_t x, int count) {
  std::string s;
  for (int i = 0; i < count; ++i) s += static_cast<char>(x >> (8 * i) & 255);
  return s;
}
inline std::string varint(std::uint64_t x) {
  std::string s;
  for (; x > 127; x >>= 7) s += static_cast<char>((x & 127) | 128);
  return s + static_cast<char>(x);
}
/// A field of a message: its number, its wire type (0 varint, 1 of 64 bits, 2 with a length, 5 of 32 bits), its value.
inline std::string field(int number, int wire, std::string const& value) {
  return varint(static_cast<std::uint64_t>(number << 3 | wire)) + value;
}
inline std::string text_field(int number, std::string const& text) {
  return field(number, 2, varint(text.size()) + text);
}
inline std::string number_field(int number, double x) {
  return field(number, 1, bytes_of(std::bit_cast<std::uint64_t>(x), 8));
}

}  // namespace event_detail

/// A file of events in a folder, where TensorBoard finds it beside those of other sessions.
class EventFile {
 public:
  /// `step`: the first that this session will speak of. Throws where the folder cannot be written to.
  EventFile(std::string const& folder, long long step) {
    using namespace event_detail;
    make_directories(folder);
    const auto now = static_cast<double>(std::time(nullptr));
    path_ = folder + "/events.out.tfevents." + std::to_string(static_cast<long long>(now)) + ".fauna." +
            std::to_string(::getpid());
    file_ = std::fopen(path_.c_str(), "abe");
    if (file_ == nullptr) io_fail("open", path_, errno);
    record(number_field(1, now) + text_field(3, "brain.Event:2"));
    if (step > 0)
      record(number_field(1, now) + field(2, 0, varint(static_cast<std::uint64_t>(step))) +
             text_field(7, field(1, 0, varint(1))));
  }
  EventFile(EventFile const&) = delete;
  EventFile& operator=(EventFile const&) = delete;
  ~EventFile() { std::fclose(file_); }

  std::string const& path() const { return path_; }

  /// A point of the curve `tag`. Groups of curves have names with a slash: "loss/train".
  void scalar(std::string const& tag, long long step, double value) {
    using namespace event_detail;
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    const std::string point = text_field(1, tag) + field(2, 5, bytes_of(bits, 4));
    record(number_field(1, static_cast<double>(std::time(nullptr))) +
           field(2, 0, varint(static_cast<std::uint64_t>(step))) + text_field(5, text_field(1, point)));
  }

 private:
  void record(std::string const& event) {
    using namespace event_detail;
    const auto masked = [](std::string const& s) {
      const std::uint32_t crc = crc32c(s);
      return bytes_of(((crc >> 15) | (crc << 17)) + 0xa282ead8U, 4);
    };
    const std::string length = bytes_of(event.size(), 8);
    print(file_, length + masked(length) + event + masked(event), path_);
  }

  std::string path_;
  std::FILE* file_ = nullptr;
};

}  // namespace fauna::inline v0
