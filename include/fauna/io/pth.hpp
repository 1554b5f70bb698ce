// .pth and .pt, as torch.save writes dictionaries of tensors since PyTorch 1.6: a ZIP archive of X/data.pkl, a pickle
// that says which tensors there are, and of X/data/0, X/data/1, ..., the storages that they lie in. The file is mapped,
// and a tensor is copied only where its numbers do not lie row by row.
#pragma once
#include <fauna/io/pickle.hpp>
#include <fauna/io/sharded.hpp>
#include <fauna/io/zip.hpp>

namespace fauna::inline v0 {

/// The tensors of a dictionary; those of dictionaries and lists inside it by names with dots: "model.layers.0.weight".
/// What else it holds, such as numbers and texts, is passed over.
class Pth : public Sharded {
 public:
  /// A directory is read as its pytorch_model.bin, or else as its pytorch_model.bin.index.json, whose shards stand
  /// beside it. Throws, naming the file and the tensor, for a file in another form, what a pickle may not have
  /// (io/pickle.hpp), tensors that reach outside their storage, and an index and shards that disagree.
  explicit Pth(std::string const& path) : Sharded("pth", path) {
    open("pytorch_model.bin", [this](std::string const& file) { open_file(file); });
  }

 private:
  using Storages = std::unordered_map<std::string_view, std::string_view>;

  void open_file(std::string const& path) {
    const std::string_view file = map(path);
    if (!file.empty() && file[0] == '\x80')
      fail("pth", path + " is in the form that PyTorch wrote before 1.6", "a ZIP archive",
           "torch.save(torch.load(...), ...) of a newer version writes one");
    const std::vector<ZipEntry> entries = read_zip(file, path);
    constexpr std::string_view name = "/data.pkl";
    const ZipEntry* pickle = nullptr;
    for (auto const& e : entries) {
      if (e.name.size() < name.size() || e.name.substr(e.name.size() - name.size()) != name) continue;
      if (pickle != nullptr) fail("pth", path + " has two data.pkl", "one");
      pickle = &e;
    }
    if (pickle == nullptr) fail("pth", path + " has no data.pkl", "what torch.save writes");
    const std::string folder(pickle->name.substr(0, pickle->name.size() - name.size() + 1));
    for (auto const& e : entries)
      if (e.name == folder + "byteorder" && e.bytes != "little")
        fail("pth", path + " has the byte order '" + std::string(e.bytes.substr(0, 16)) + '\'', "little");
    const Pickle tree(pickle->bytes, path);
    if (tree.root().is != PickleValue::dictionary) fail("pth", path + " holds no dictionary", "one of tensors");
    Storages storages;
    const std::string data = folder + "data/";
    for (auto const& e : entries)
      if (e.name.substr(0, data.size()) == data) storages.emplace(e.name.substr(data.size()), e.bytes);
    collect(tree, tree.root(), "", path, storages, 0);
  }

  struct Type {
    const char *storage, *dtype;
    std::size_t size;
  };
  static Type type_of(std::string const& storage, std::string const& where) {
    constexpr Type known[] = {{"DoubleStorage", "F64", 8},    {"FloatStorage", "F32", 4}, {"HalfStorage", "F16", 2},
                              {"BFloat16Storage", "BF16", 2}, {"LongStorage", "I64", 8},  {"IntStorage", "I32", 4},
                              {"ShortStorage", "I16", 2},     {"CharStorage", "I8", 1},   {"ByteStorage", "U8", 1},
                              {"BoolStorage", "BOOL", 1}};
    for (auto const& t : known)
      if (storage == t.storage) return t;
    fail("pth", where + " is a " + storage, "floats, halves, bfloat16, doubles, integers or booleans");
  }

  void collect(Pickle const& tree, PickleValue const& v, std::string const& name, std::string const& path,
               Storages const& storages, int depth) {
    constexpr std::size_t most = std::size_t{1} << 20;  // what shares parts may be larger than its pickle
    if (depth > 32 || ++met_ > most) fail("pth", path + " is nested too deeply at " + name, "a dictionary of tensors");
    if (v.is == PickleValue::tensor) return add(tree, v, name, path + ": " + name, storages);
    const bool dictionary = v.is == PickleValue::dictionary;
    if (!dictionary && v.is != PickleValue::list && v.is != PickleValue::tuple) return;
    for (std::size_t i = 0; i < v.items.size(); i += dictionary ? 2 : 1) {
      PickleValue const& item = tree[v.items[dictionary ? i + 1 : i]];
      std::string key = std::to_string(i);
      if (dictionary) {
        PickleValue const& k = tree[v.items[i]];
        if (k.is != PickleValue::text && k.is != PickleValue::integer) continue;
        key = k.is == PickleValue::text ? k.word : std::to_string(k.value);
      }
      collect(tree, item, name.empty() ? key : name + '.' + key, path, storages, depth + 1);
    }
  }

  void add(Pickle const& tree, PickleValue const& v, std::string const& name, std::string const& where,
           Storages const& storages) {
    PickleValue const &storage = tree[v.items[0]], &sizes = tree[v.items[2]], &strides = tree[v.items[3]];
    const Type type = type_of(storage.word, where);
    const auto number = [&](std::size_t i, const char* what) {
      if (tree[i].is != PickleValue::integer || tree[i].value < 0)
        fail("pth", where + " has a " + what + " that is no number", "a whole number, 0 or more");
      return static_cast<std::size_t>(tree[i].value);
    };
    const std::size_t elements = number(storage.items[1], "storage"), offset = number(v.items[1], "offset");
    std::string const& key = tree[storage.items[0]].word;
    const auto found = storages.find(key);
    if (found == storages.end()) fail("pth", where + " lies in data/" + key, "a storage that the archive has");
    if (safetensors_detail::product(elements, type.size, where) != found->second.size())
      fail("pth",
           where + " lies in a storage of " + std::to_string(elements) + " elements and " +
               std::to_string(found->second.size()) + " bytes",
           std::to_string(type.size) + " bytes an element");
    if (sizes.items.size() != strides.items.size() || sizes.items.size() > 8)
      fail("pth",
           where + " has " + std::to_string(sizes.items.size()) + " sizes and " + std::to_string(strides.items.size()) +
               " strides",
           "as many, 8 at most");
    SafeTensor t;
    t.name = name;
    t.dtype = type.dtype;
    std::vector<std::size_t> stride;
    std::size_t n = 1, last = offset;
    for (std::size_t i = 0; i < sizes.items.size(); ++i) {
      t.shape.push_back(number(sizes.items[i], "size"));
      stride.push_back(number(strides.items[i], "stride"));
      n = safetensors_detail::product(n, t.shape[i], where);
    }
    // Expanded tensors, whose elements are many times the same, could be made larger than any memory.
    bool inside = n == 0 || (n <= elements && offset < elements);
    for (std::size_t i = 0; inside && n > 0 && i < stride.size(); ++i) {
      const std::size_t reach = safetensors_detail::product(t.shape[i] - 1, stride[i], where);
      last += reach;
      inside = reach < elements && last < elements;
    }
    if (!inside)
      fail("pth", where + " reaches outside its storage of " + std::to_string(elements) + " elements",
           "a tensor inside it");
    t.bytes = n * type.size;
    t.data = reinterpret_cast<const std::byte*>(found->second.data()) + (n > 0 ? offset * type.size : 0);
    if (!row_by_row(t.shape, stride) && n > 0) t.data = in_order(t, stride, type.size);
    tensors_.push_back(static_cast<SafeTensor&&>(t));
  }
  static bool row_by_row(std::vector<std::size_t> const& shape, std::vector<std::size_t> const& stride) {
    std::size_t next = 1;
    for (std::size_t i = shape.size(); i-- > 0; next *= shape[i])
      if (shape[i] > 1 && stride[i] != next) return false;
    return true;
  }
  /// A copy whose elements lie row by row.
  const std::byte* in_order(SafeTensor const& t, std::vector<std::size_t> const& stride, std::size_t size) {
    std::vector<std::byte> bytes(t.bytes);
    std::vector<std::size_t> at(t.shape.size(), 0);
    std::size_t from = 0;  // Σ at · stride
    for (std::size_t to = 0; to < bytes.size(); to += size) {
      std::memcpy(bytes.data() + to, t.data + from * size, size);
      for (std::size_t i = at.size(); i-- > 0;) {
        from += stride[i];
        if (++at[i] < t.shape[i]) break;
        from -= at[i] * stride[i];
        at[i] = 0;
      }
    }
    made_.push_back(static_cast<std::vector<std::byte>&&>(bytes));
    return made_.back().data();
  }

  std::size_t met_ = 0;
};

}  // namespace fauna::inline v0
