// Messages of protocol buffers, read field by field and strictly (protobuf.dev, "Encoding"): a row of fields, each a
// varint of field number << 3 | wire type, then a varint (0), eight bytes (1), a varint of a length and so many bytes
// (2), or four bytes (5). Groups (3, 4) went out of use before any file that is read here.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

/// A message, and the field that `next` has come to. Errors name the message and the field.
class Protobuf {
 public:
  Protobuf(std::string_view message, std::string source) : left_(message), source_(std::move(source)) {}

  /// Goes on to the next field; false at the end. A field that nobody asks for has been checked and is passed over.
  bool next() {
    if (left_.empty()) return false;
    field_ = 0;
    const std::uint64_t tag = take_varint();
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) wrong("a field of number " + std::to_string(tag >> 3), "1 to 2^29 - 1");
    field_ = static_cast<std::uint32_t>(tag >> 3);
    type_ = static_cast<unsigned>(tag & 7U);
    if (type_ == varint) number_ = take_varint();
    else if (type_ == eight) bytes_ = take(8);
    else if (type_ == length) bytes_ = take(take_varint());
    else if (type_ == four) bytes_ = take(4);
    else wrong("wire type " + std::to_string(type_), "0, 1, 2 or 5");
    return true;
  }
  std::uint32_t field() const { return field_; }

  // The field's value. Each throws where the field is of another wire type.
  std::uint64_t number() const {
    require(varint, "a varint");
    return number_;
  }
  bool flag() const { return number() != 0; }
  float f32() const {
    require(four, "four bytes");
    float x;
    std::memcpy(&x, bytes_.data(), sizeof x);
    return x;
  }
  std::string_view bytes() const {
    require(length, "bytes behind their length");
    return bytes_;
  }

  [[noreturn]] void wrong(std::string const& found, std::string const& expected) const {
    fail("protobuf", source_ + (field_ == 0 ? "" : ", field " + std::to_string(field_)) + ": " + found, expected);
  }

 private:
  enum : unsigned { varint = 0, eight = 1, length = 2, four = 5 };

  void require(unsigned type, const char* expected) const {
    if (type_ != type) wrong("wire type " + std::to_string(type_), expected);
  }
  std::string_view take(std::uint64_t n) {
    if (n > left_.size())
      wrong("it ends after " + std::to_string(left_.size()) + " of " + std::to_string(n) + " bytes", "a whole message");
    const std::string_view bytes = left_.substr(0, static_cast<std::size_t>(n));
    left_.remove_prefix(bytes.size());
    return bytes;
  }
  std::uint64_t take_varint() {
    std::uint64_t n = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      if (shift == 63 && byte > 1) break;
      n |= std::uint64_t{byte & 127U} << shift;
      if (byte < 128) return n;
    }
    wrong("a varint of more than 64 bits", "ten bytes at most");
  }

  std::string_view left_;
  std::string source_;
  std::uint32_t field_ = 0;
  unsigned type_ = 0;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
};

}  // namespace fauna::inline v0
