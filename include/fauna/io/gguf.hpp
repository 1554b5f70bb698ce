// GGUF, versions 2 and 3 (ggml's docs/gguf.md), little-endian:
//   "GGUF" | u32 version | u64 tensors | u64 keys
//   for each key     string, u32 type, value
//   for each tensor  string, u32 dimensions, u64 sizes (the last dimension first), u32 type, u64 offset in the data
//   data, each tensor at a multiple of general.alignment
// A string is a u64 length and its bytes; an array a u32 type, a u64 count and its values.
#pragma once
#include <fauna/io/quants.hpp>
#include <fauna/io/tensor_file.hpp>

namespace fauna::inline v0 {

/// The tensors of a file, and what it says of the model in keys and values. Tensors in blocks have the dtype that
/// quants.hpp calls them; `read_floats` reads them.
class Gguf : public TensorFile {
 public:
  static constexpr std::uint32_t magic = 0x46554747;
  /// Types of values.
  enum : std::uint32_t {
    type_u8,
    type_i8,
    type_u16,
    type_i16,
    type_u32,
    type_i32,
    type_f32,
    type_bool,
    type_string,
    type_array,
    type_u64,
    type_i64,
    type_f64,
    types
  };
  /// Types of tensors that are not in blocks.
  struct Plain {
    std::uint32_t type;
    const char* name;
  };
  static constexpr Plain plain[] = {{0, "F32"}, {1, "F16"}, {28, "F64"}, {30, "BF16"}};

  /// Of a model in several files, which llama.cpp's gguf-split calls PREFIX-00001-of-00003.gguf, any of them: the keys
  /// are the first's, the tensors those of all. Throws, naming the file and the key or tensor, for another version,
  /// types that are not read, whatever contradicts itself, what is cut short, and parts that are missing or another
  /// model's.
  explicit Gguf(std::string const& path) : TensorFile(path), at_(path) {
    read_part();
    const long long parts = has("split.count") ? integer("split.count") : 1;
    if (parts > 1) read_parts(parts);
    index_names("gguf");
  }

  // Values by their keys. All throw where there is none of that key, or one of another type.
  bool has(std::string_view key) const { return find_value(key) != nullptr; }
  /// Of any whole type.
  long long integer(std::string_view key) const {
    Value const& v = value(key);
    if (v.array || !is_whole(v)) wrong(v, "a whole number");
    return integer_at(v, 0);
  }
  /// Of any type of numbers.
  double number(std::string_view key) const {
    Value const& v = value(key);
    if (v.type == type_f32 && !v.array) return static_cast<double>(load<float>(v.data));
    if (v.type == type_f64 && !v.array) return load<double>(v.data);
    return static_cast<double>(integer(key));
  }
  bool flag(std::string_view key) const {
    Value const& v = value(key);
    if (v.type != type_bool || v.array) wrong(v, "a bool");
    return load<unsigned char>(v.data) != 0;
  }
  std::string_view text(std::string_view key) const {
    Value const& v = value(key);
    if (v.type != type_string || v.array) wrong(v, "a string");
    return string_at(v.data);
  }
  std::vector<std::string_view> texts(std::string_view key) const {
    Value const& v = value(key);
    if (v.type != type_string || !v.array) wrong(v, "an array of strings");
    std::vector<std::string_view> all;
    const char* at = v.data;
    for (std::uint64_t i = 0; i < v.count; ++i) {
      all.push_back(string_at(at));
      at += 8 + all.back().size();
    }
    return all;
  }
  std::vector<long long> integers(std::string_view key) const {
    Value const& v = value(key);
    if (!v.array || !is_whole(v)) wrong(v, "an array of whole numbers");
    std::vector<long long> all;
    for (std::uint64_t i = 0; i < v.count; ++i) all.push_back(integer_at(v, i));
    return all;
  }
  /// Is it an array?
  bool is_list(std::string_view key) const { return value(key).array; }
  std::vector<bool> flags(std::string_view key) const {
    Value const& v = value(key);
    if (!v.array || v.type != type_bool) wrong(v, "an array of bools");
    std::vector<bool> all;
    for (std::uint64_t i = 0; i < v.count; ++i) all.push_back(v.data[i] != 0);
    return all;
  }
  /// A value of any type as it lies in the file, its type before it.
  std::string_view encoded(std::string_view key) const { return value(key).encoded; }
  std::vector<double> numbers(std::string_view key) const {
    Value const& v = value(key);
    if (!v.array || v.type != type_f32) wrong(v, "an array of f32");
    std::vector<double> all;
    for (std::uint64_t i = 0; i < v.count; ++i) all.push_back(static_cast<double>(load<float>(v.data + 4 * i)));
    return all;
  }
  /// In the order of their names.
  std::vector<std::string_view> keys() const {
    std::vector<std::string_view> all;
    for (Value const& v : values_) all.push_back(v.key);
    return all;
  }

 private:
  /// A value as it lies in the file, checked to lie in it.
  struct Value {
    std::string_view key{};
    std::uint32_t type = 0;  ///< of an array, that of its values
    bool array = false;
    std::uint64_t count = 1;
    const char* data = nullptr;
    std::string_view encoded{};
  };

  static std::size_t size_of(std::uint32_t type) {
    constexpr unsigned char sizes[types] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return sizes[type];
  }
  static std::string name_of(Value const& v) {
    constexpr const char* names[types] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                          "bool", "string", "array", "u64", "i64", "f64"};
    return (v.array ? "array of " : "") + std::string(names[v.type]);
  }
  template <class T> static T load(const char* from) {
    T x;
    std::memcpy(&x, from, sizeof x);
    return x;
  }
  static std::string_view string_at(const char* at) {
    return {at + 8, static_cast<std::size_t>(load<std::uint64_t>(at))};
  }

  void expect(bool ok, std::string const& found, std::string const& expected) const {
    if (!ok) fail("gguf", at_ + ' ' + found, expected);
  }
  std::string_view take(std::uint64_t n, std::string const& of) {
    expect(n <= left_.size(), "ends inside " + of, "a whole file");
    const std::string_view bytes = left_.substr(0, static_cast<std::size_t>(n));
    left_.remove_prefix(bytes.size());
    return bytes;
  }
  template <class T> T word(std::string const& of) { return load<T>(take(sizeof(T), of).data()); }
  std::string_view string(std::string const& of) { return take(word<std::uint64_t>(of), of); }

  /// The keys and tensors of one file, and where its data are.
  void read_part() {
    const std::string_view file = map(at_);
    left_ = file;
    values_.clear();
    expect(word<std::uint32_t>("its header") == magic, "has another first word", "GGUF");
    const auto version = word<std::uint32_t>("its header");
    expect(version == 2 || version == 3, "is of version " + std::to_string(version),
           (version & 0xffffU) == 0 ? "2 or 3, little-endian" : "2 or 3");
    const auto tensors = word<std::uint64_t>("its header"), keys = word<std::uint64_t>("its header");
    for (std::uint64_t i = 0; i < keys; ++i) read_value("key " + std::to_string(i) + " of " + std::to_string(keys));
    safetensors_detail::sort(values_, [](Value const& a, Value const& b) { return a.key < b.key; });
    for (std::size_t i = 1; i < values_.size(); ++i)
      expect(values_[i].key != values_[i - 1].key, "has the key " + std::string(values_[i].key) + " twice", "it once");
    std::uint64_t alignment = 32;
    if (Value const* v = find_value("general.alignment")) {
      expect(v->type == type_u32, "has a general.alignment of type " + name_of(*v), "u32");
      alignment = static_cast<std::uint64_t>(integer("general.alignment"));
      expect(alignment >= 8 && (alignment & (alignment - 1)) == 0,
             "has a general.alignment of " + std::to_string(alignment), "a power of two, at least 8");
    }
    const std::size_t before = tensors_.size();
    std::vector<std::uint64_t> offsets;
    for (std::uint64_t i = 0; i < tensors; ++i)
      offsets.push_back(read_tensor("tensor " + std::to_string(i) + " of " + std::to_string(tensors)));
    // No sum below overflows: what is added up lies in the file.
    const auto aligned_up = [alignment](std::uint64_t n) { return (n + alignment - 1) & ~(alignment - 1); };
    const std::uint64_t start = aligned_up(file.size() - left_.size());
    const std::uint64_t data = start < file.size() ? file.size() - start : 0;
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      SafeTensor& t = tensors_[before + i];
      expect(offsets[i] == at, "has " + t.name + " at byte " + std::to_string(offsets[i]) + " of the data",
             std::to_string(at) + ", after the one before it");
      expect(at <= data && t.bytes <= data - at,
             "ends inside " + t.name + ", which has " + std::to_string(t.bytes) + " bytes", "a whole file");
      t.data = reinterpret_cast<const std::byte*>(file.data()) + start + at;
      at = aligned_up(at + t.bytes);
    }
  }

  /// "-00002-of-00003.gguf"
  static std::string part_ending(long long part, long long parts) {
    const auto digits = [](long long n) {
      const std::string s = std::to_string(n);
      return s.size() < 5 ? std::string(5 - s.size(), '0') + s : s;
    };
    return '-' + digits(part) + "-of-" + digits(parts) + ".gguf";
  }
  /// All parts in their order, when the one at path_ has been read.
  void read_parts(long long parts) {
    const long long no = integer("split.no"), tensors = integer("split.tensors.count");
    expect(parts <= 65535 && no >= 0 && no < parts,
           "has a split.no of " + std::to_string(no) + " and a split.count of " + std::to_string(parts),
           "a number below that of at most 65535 parts");
    const std::string ending = part_ending(no + 1, parts);
    expect(path_.size() >= ending.size() && path_.compare(path_.size() - ending.size(), ending.size(), ending) == 0,
           "is part " + std::to_string(no + 1) + " of " + std::to_string(parts), "a name that ends with " + ending);
    const std::string prefix = path_.substr(0, path_.size() - ending.size());
    tensors_.clear();
    std::vector<Value> first;
    for (long long i = 0; i < parts; ++i) {
      at_ = prefix + part_ending(i + 1, parts);
      if (!exists(at_))
        fail("gguf", at_ + " is missing, which " + path_ + " is a part beside",
             "all " + std::to_string(parts) + " parts in one folder");
      read_part();
      const std::string is = std::to_string(i + 1) + " of " + std::to_string(parts);
      expect(has("split.count") && integer("split.count") == parts && integer("split.no") == i, "is not part " + is,
             "split.no and split.count to say so");
      expect(integer("split.tensors.count") == tensors,
             "is of a model of " + std::to_string(integer("split.tensors.count")) + " tensors",
             std::to_string(tensors) + ", as " + path_ + " is");
      if (i == 0) first = values_;
      else if (Value const* a = find_value("general.architecture"); a != nullptr)
        for (Value const& v : first)
          expect(v.key != a->key || v.encoded == a->encoded, "is of another general.architecture", "that of part 1");
    }
    at_ = path_;
    values_ = static_cast<std::vector<Value>&&>(first);
    expect(tensors_.size() == static_cast<std::size_t>(tensors),
           "has " + std::to_string(tensors_.size()) + " tensors in all its parts", std::to_string(tensors));
  }

  void read_value(std::string of) {
    Value v;
    v.key = string(of);
    of = "the key " + std::string(v.key);
    const std::string_view begin = left_;
    v.type = word<std::uint32_t>(of);
    v.array = v.type == type_array;
    if (v.array) {
      v.type = word<std::uint32_t>(of);
      v.count = word<std::uint64_t>(of);
    }
    expect(v.type < types && v.type != type_array,
           "has " + of + (v.array ? ", an array" : "") + " of type " + std::to_string(v.type),
           v.array ? "0 to 12, but 9" : "0 to 12");
    v.data = left_.data();
    if (v.type == type_string) {
      for (std::uint64_t i = 0; i < v.count; ++i) string(of);
    } else {
      expect(v.count <= left_.size() / size_of(v.type), "ends inside " + of, "a whole file");
      take(v.count * size_of(v.type), of);
    }
    v.encoded = begin.substr(0, begin.size() - left_.size());
    values_.push_back(v);
  }

  /// Returns its offset; where its data are is not known yet.
  std::uint64_t read_tensor(std::string const& of) {
    SafeTensor t;
    t.name = string(of);
    const auto dimensions = word<std::uint32_t>(t.name);
    expect(dimensions >= 1 && dimensions <= 4, "has " + t.name + " of " + std::to_string(dimensions) + " dimensions",
           "1 to 4");
    t.shape.resize(dimensions);
    std::size_t elements = 1;
    for (std::size_t i = dimensions; i-- > 0;) {
      t.shape[i] = word<std::uint64_t>(t.name);
      expect(t.shape[i] >= 1, "has " + t.name + " with a size of 0", "1 or more");
      elements = safetensors_detail::product(elements, t.shape[i], at_ + ": " + t.name);
    }
    const auto type = word<std::uint32_t>(t.name);
    t.dtype = tensor_type(type, t.name);
    const BlockFormat* const blocks = block_format(t.dtype);
    if (blocks != nullptr)
      expect(t.shape.back() % blocks->elements == 0, "has " + t.name + ' ' + t.text(),
             "rows of whole blocks of " + std::to_string(blocks->elements));
    t.bytes = blocks != nullptr ? safetensors_detail::product(elements / blocks->elements, blocks->bytes, t.name)
                                : safetensors_detail::product(elements, safetensors_detail::bits_of(t.dtype) / 8,
                                                              at_ + ": " + t.name);
    const auto offset = word<std::uint64_t>(t.name);
    tensors_.push_back(static_cast<SafeTensor&&>(t));
    return offset;
  }
  /// The name of a type that is read.
  std::string tensor_type(std::uint32_t type, std::string const& of) const {
    constexpr Plain others[] = {{9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},
                                {19, "IQ1_S"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {24, "I8"},     {25, "I16"},
                                {26, "I32"},   {27, "I64"},   {29, "IQ1_M"},   {34, "TQ1_0"},  {35, "TQ2_0"},
                                {40, "NVFP4"}, {41, "Q1_0"},  {42, "Q2_0"}};
    std::string found = std::to_string(type), readable;
    for (Plain const& k : plain) {
      if (k.type == type) return k.name;
      readable += (readable.empty() ? "" : ", ") + std::string(k.name);
    }
    for (BlockFormat const& f : block_formats) {
      if (f.gguf == type) return std::string(f.name);
      readable += ", " + std::string(f.name);
    }
    for (Plain const& k : others)
      if (k.type == type) found += std::string(" (") + k.name + ')';
    fail("gguf", at_ + " has " + of + " of type " + found, "one of " + readable);
  }

  Value const* find_value(std::string_view key) const {
    for (Value const& v : values_)
      if (v.key == key) return &v;
    return nullptr;
  }
  Value const& value(std::string_view key) const {
    Value const* v = find_value(key);
    expect(v != nullptr, "has no key " + std::string(key), "it among its metadata");
    return *v;
  }
  [[noreturn]] void wrong(Value const& v, std::string const& expected) const {
    fail("gguf", path_ + " has the key " + std::string(v.key) + " of type " + name_of(v), expected);
  }
  static bool is_whole(Value const& v) { return v.type <= type_i32 || v.type == type_u64 || v.type == type_i64; }
  long long integer_at(Value const& v, std::uint64_t i) const {
    const char* const at = v.data + i * size_of(v.type);
    switch (v.type) {
      case type_u8: return load<std::uint8_t>(at);
      case type_i8: return load<std::int8_t>(at);
      case type_u16: return load<std::uint16_t>(at);
      case type_i16: return load<std::int16_t>(at);
      case type_u32: return load<std::uint32_t>(at);
      case type_i32: return load<std::int32_t>(at);
      case type_i64: return load<std::int64_t>(at);
      default: break;
    }
    const auto n = load<std::uint64_t>(at);
    if (n >> 63 != 0) wrong(v, "a number below 2^63");
    return static_cast<long long>(n);
  }

  std::string at_;         ///< the file that is read, one of several where the model is in parts
  std::string_view left_;  ///< what has not been read yet
  std::vector<Value> values_;
};

}  // namespace fauna::inline v0
