// .pth: PyTorch's own files read bit by bit, wherever they are at hand; what is no tensor or dictionary, reaches
// outside the file or would run something is refused by name.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fauna/io/open_tensors.hpp>

#include "../support/pth.hpp"
#include "../support/temporary.hpp"

namespace test_pth {

using namespace fauna;
using doctest::Contains;

namespace {

std::string shared(std::string const& name) {
  const char* folder = std::getenv("FAUNA_SHARED_DIR");
  if (folder == nullptr) MESSAGE("skipped: FAUNA_SHARED_DIR is not set");
  return folder == nullptr ? "" : std::string(folder) + "/data/pth/" + name;
}
std::vector<float> floats_of(TensorFile const& file, std::string const& name) {
  const SafeTensor* t = file.find(name);
  REQUIRE(t != nullptr);
  std::vector<float> v(t->elements());
  read_floats(*t, 0, v.size(), v.data());
  return v;
}
std::string names(TensorFile const& file) {
  std::string all;
  for (auto const& t : file.tensors()) all += t.name + ' ' + t.text() + '\n';
  return all;
}

const TemporaryFolder folder;
std::string put(std::string const& bytes) {
  write_file(folder / "t.pth", bytes);
  return folder / "t.pth";
}
Pth read(std::string const& bytes) { return Pth(put(bytes)); }
const std::string six = "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30";  // 24 bytes

#define CHECK_REFUSED(bytes, word) CHECK_THROWS_WITH_AS(read(bytes), Contains(word), error)

}  // namespace

TEST_CASE("pth: the files of PyTorch") {
  if (shared("").empty()) return;
  struct Want {
    const char *file, *tensors;
  };
  const Want wants[] = {
      {"float32.pt", "tensor F32 [4]\n"},
      {"float16.pt", "tensor F16 [3]\n"},
      {"bfloat16.pt", "tensor BF16 [3]\n"},
      {"float64.pt", "tensor F64 [3]\n"},
      {"int64.pt", "tensor I64 [4]\n"},
      {"int32.pt", "tensor I32 [3]\n"},
      {"int16.pt", "tensor I16 [3]\n"},
      {"int8.pt", "tensor I8 [4]\n"},
      {"bool.pt", "tensor BOOL [5]\n"},
      {"scalar.pt", "tensor F32 []\n"},
      {"empty.pt", "tensor F32 [0]\n"},
      {"tensor_3d.pt", "tensor F32 [2, 3, 4]\n"},
      {"parameter.pt", "param F32 [3, 3]\n"},
      {"nested_dict.pt",
       "layer1.weight F32 [2, 3]\nlayer1.bias F32 [2]\nlayer2.weight F32 [4, 2]\nlayer2.bias F32 [4]\n"},
  };
  for (auto const& w : wants) {
    CAPTURE(w.file);
    CHECK(names(open_tensors(shared(w.file))) == w.tensors);
  }
  CHECK(floats_of(Pth(shared("float32.pt")), "tensor") == std::vector<float>{1, 2.5F, -3.7F, 0});
  for (const char* file : {"buffers.pt", "checkpoint.pt", "complex_structure.pt", "extreme_values.pt", "mixed_types.pt",
                           "non_contiguous_indexes.pt", "special_values.pt", "state_dict.pt"}) {
    CAPTURE(file);
    CHECK(!open_tensors(shared(file)).tensors().empty());
  }
  const Pth checkpoint(shared("checkpoint.pt"));
  CHECK(checkpoint.find("model_state_dict.fc1.weight") != nullptr);
  CHECK(checkpoint.find("optimizer_state_dict.state.0.momentum_buffer") != nullptr);
  for (const char* file : {"simple_legacy.pt", "legacy_shared_storage.pt"})
    CHECK_THROWS_WITH_AS(Pth(shared(file)), Contains("before 1.6"), error);
  CHECK_THROWS_AS(open_tensors(shared("broken.pt")), error);
}

TEST_CASE("pth: tensors are parts of storages, in any order") {
  const auto floats = [](std::vector<float> const& v) {
    return std::string(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float));
  };
  const std::string storage = floats({0, 1, 2, 3, 4, 5});
  const auto tensor = [&](std::int32_t offset, std::vector<std::int32_t> const& sizes,
                          std::vector<std::int32_t> const& strides) {
    return floats_of(read(test::pth_of(test::one_tensor("FloatStorage", 6, offset, sizes, strides), storage)), "t");
  };
  CHECK(tensor(0, {2, 3}, {3, 1}) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(tensor(0, {3, 2}, {1, 3}) == std::vector<float>{0, 3, 1, 4, 2, 5});  // transposed
  CHECK(tensor(1, {2, 2}, {3, 1}) == std::vector<float>{1, 2, 4, 5});        // columns
  CHECK(tensor(5, {1, 1}, {77, 99}) == std::vector<float>{5});
  CHECK(tensor(0, {2, 2}, {0, 1}) == std::vector<float>{0, 1, 0, 1});  // expanded
  CHECK(tensor(2, {}, {}) == std::vector<float>{2});
  CHECK(tensor(0, {0, 9}, {9, 1}).empty());
}

TEST_CASE("pth: archives with 64-bit sizes, and what other entries they have") {
  const std::string pickle = test::one_tensor("ShortStorage", 12, 0, {12}, {1});
  const Pth file = read(test::zip_of({{"deep/er/data/0", six}, {"deep/er/data.pkl", pickle}, {"other", ""}}, 0, true));
  CHECK(names(file) == "t I16 [12]\n");
  CHECK(std::memcmp(file.tensors()[0].data, six.data(), six.size()) == 0);
}

TEST_CASE("pth: values beside tensors are passed over, lists and numbers are parts of names") {
  const std::string pickle = test::PickleText()
                                 .raw("}(")
                                 .word("lr")
                                 .raw("G\1\2\3\4\5\6\7\10")
                                 .word("list")
                                 .raw("](")
                                 .tensor("ByteStorage", "0", 24, 0, {2}, {1})
                                 .raw("Ne")
                                 .integer(-7)
                                 .raw("}q\1")
                                 .word("a")
                                 .tensor("ByteStorage", "0", 24, 1, {1}, {1})
                                 .raw("s")
                                 .word("again")
                                 .raw("h\1")
                                 .word("long")
                                 .raw("\x8a\1\xff")
                                 .word("flag")
                                 .raw("\x88u.")
                                 .text;
  CHECK(names(read(test::pth_of(pickle, six))) == "list.0 U8 [2]\n-7.a U8 [1]\nagain.a U8 [1]\n");
}

TEST_CASE("pth: what could run something is refused by name") {
  const auto pickled = [](std::string const& text) { return test::pth_of("\x80\2" + text, six); };
  CHECK_REFUSED(pickled("cos\nsystem\nX\4\0\0\0trueR."), "os.system");
  CHECK_REFUSED(pickled("cbuiltins\neval\n."), "builtins.eval");
  CHECK_REFUSED(pickled("ctorch\nload\n."), "torch.load");
  CHECK_REFUSED(pickled("ctorch._utils\n_rebuild_everything\n."), "torch._utils._rebuild_everything");
  CHECK_REFUSED(pickled("ctorch\nFloatStorage\n)R."), "a call of torch FloatStorage");
  CHECK_REFUSED(pickled("(S'x'\nios\nsystem\n."), "opcode 0x53");              // STRING, INST
  CHECK_REFUSED(pickled("(cos\nsystem\no."), "os.system");                     // OBJ
  CHECK_REFUSED(pickled("ccollections\nOrderedDict\n)\x81."), "opcode 0x81");  // NEWOBJ
  CHECK_REFUSED(pickled("\x82\1."), "opcode 0x82");                            // EXT1
  CHECK_REFUSED(pickled("\x93."), "opcode 0x93");                              // STACK_GLOBAL
  CHECK_REFUSED(pickled("Pid\n."), "opcode 0x50");                             // PERSID
  CHECK_REFUSED(pickled(std::string("}X\1\0\0\0ab.", 9)), "an object with a state");
  CHECK_REFUSED(test::pth_of("\x80\4.", six), "another protocol");
}

TEST_CASE("pth: pickles that are none") {
  const auto pickled = [](std::string const& text) { return test::pth_of("\x80\2" + text, six); };
  CHECK_REFUSED(pickled(""), "an end in the middle");
  CHECK_REFUSED(pickled("."), "without operands");
  CHECK_REFUSED(pickled("(."), "without operands");
  CHECK_REFUSED(pickled("t."), "an end without a beginning");
  CHECK_REFUSED(pickled("N."), "no dictionary");
  CHECK_REFUSED(pickled("NN."), "more than one value");
  CHECK_REFUSED(pickled("h\1."), "a reference to nothing");
  CHECK_REFUSED(pickled("}(Nu."), "items of no list or dictionary");
  CHECK_REFUSED(pickled("N(NNu."), "items of no list or dictionary");
  CHECK_REFUSED(pickled("X\xff\xff\xff\x7f."), "an end in the middle");
  CHECK_REFUSED(pickled("\x8a\t123456789."), "more than 64 bits");
  CHECK_REFUSED(pickled("NQ."), "a storage that is none");
  CHECK_REFUSED(pickled("cname without end"), "a name without an end");
  // A dictionary in itself, and one that is larger than its pickle: each level holds the one before twice.
  CHECK_REFUSED(pickled("}q\1" + std::string("X\1\0\0\0a", 6) + "h\1s."), "nested too deeply");
  std::string doubled = "}q\1";
  for (char i = 2; i < 30; ++i)
    doubled += std::string("}q") + i + "(" + std::string("X\1\0\0\0a", 6) + "h" + static_cast<char>(i - 1) +
               std::string("X\1\0\0\0b", 6) + "h" + static_cast<char>(i - 1) + "u";
  CHECK_REFUSED(pickled("(" + doubled + "t."), "no dictionary");
  CHECK_REFUSED(pickled("}(" + std::string("X\1\0\0\0r", 6) + "](" + doubled + "eu."), "nested too deeply");
}

TEST_CASE("pth: tensors that reach outside, and storages that are not there") {
  const auto tensor = [](std::int32_t elements, std::int32_t offset, std::vector<std::int32_t> const& sizes,
                         std::vector<std::int32_t> const& strides, const char* type = "FloatStorage") {
    return test::pth_of(test::one_tensor(type, elements, offset, sizes, strides), six);
  };
  CHECK_REFUSED(tensor(7, 0, {7}, {1}), "7 elements and 24 bytes");
  CHECK_REFUSED(tensor(6, 0, {7}, {1}), "reaches outside its storage");
  CHECK_REFUSED(tensor(6, 1, {6}, {1}), "reaches outside its storage");
  CHECK_REFUSED(tensor(6, 6, {}, {}), "reaches outside its storage");
  CHECK_REFUSED(tensor(6, 0, {2, 3}, {4, 1}), "reaches outside its storage");
  CHECK_REFUSED(tensor(6, 0, {1000000, 1000000}, {0, 0}), "reaches outside its storage");
  CHECK_REFUSED(tensor(6, 0, {2}, {2147483647}), "reaches outside its storage");
  CHECK_REFUSED(tensor(6, 0, {2147483647, 2147483647, 2147483647}, {0, 0, 0}), "can be counted");
  CHECK_REFUSED(tensor(6, -1, {1}, {1}), "offset that is no number");
  CHECK_REFUSED(tensor(6, 0, {-1}, {1}), "size that is no number");
  CHECK_REFUSED(tensor(6, 0, {1}, {-1}), "stride that is no number");
  CHECK_REFUSED(tensor(6, 0, {1, 1}, {1}), "2 sizes and 1 strides");
  CHECK_REFUSED(tensor(6, 0, {1}, {1}, "ComplexFloatStorage"), "ComplexFloatStorage");
  const std::string elsewhere =
      test::PickleText().raw("}").word("t").tensor("FloatStorage", "../../0", 6, 0, {6}, {1}).raw("s.").text;
  CHECK_REFUSED(test::pth_of(elsewhere, six), "data/../../0");
  const std::string twice = test::PickleText()
                                .raw("}(")
                                .word("t")
                                .tensor("FloatStorage", "0", 6, 0, {6}, {1})
                                .word("t")
                                .tensor("FloatStorage", "0", 6, 0, {6}, {1})
                                .raw("u.")
                                .text;
  CHECK_REFUSED(test::pth_of(twice, six), "the tensor t twice");
}

TEST_CASE("pth: archives that are none") {
  const std::string pickle = test::one_tensor("FloatStorage", 6, 0, {6}, {1}), good = test::pth_of(pickle, six);
  CHECK(names(read(good)) == "t F32 [6]\n");
  for (std::size_t n = 0; n < good.size(); ++n) CHECK_THROWS_AS(read(good.substr(0, n)), error);
  CHECK_REFUSED("PK", "has 2 bytes");
  CHECK_REFUSED(std::string(100, 'x'), "no directory at its end");
  CHECK_REFUSED(test::zip_of({{"x/data.pkl", pickle}, {"x/data/0", six}}, 8), "compressed");
  CHECK_REFUSED(test::zip_of({{"x/data.pkl", pickle}, {"x/data/0", six}, {"x/data/0", six}}), "x/data/0 twice");
  CHECK_REFUSED(test::zip_of({{"x/data.pkl", pickle}, {"y/data.pkl", pickle}}), "two data.pkl");
  CHECK_REFUSED(test::zip_of({{"x/data/0", six}}), "no data.pkl");
  CHECK_REFUSED(test::zip_of({{"x/data.pkl", pickle}, {"x/byteorder", "big"}, {"x/data/0", six}}), "byte order 'big'");
  CHECK_REFUSED(test::zip_of({{"x/data.pkl", pickle}}), "data/0");
}

TEST_CASE("directories: one file, an index with its shards, and every way in which these disagree") {
  const TemporaryFolder folder;
  const auto shard = [](std::vector<std::string> const& tensors) {
    test::PickleText p;
    p.raw("}");
    for (std::string const& name : tensors) p.word(name).tensor("FloatStorage", "0", 2, 0, {2}, {1}).raw("s");
    return test::pth_of(p.raw(".").text, std::string(8, '\7'));
  };
  CHECK_THROWS_WITH_AS(Pth{folder.path()}, Contains("has no weights"), error);
  CHECK_THROWS_WITH_AS(open_tensors(folder.path()), Contains("model.safetensors"), error);  // what is usual
  const std::string index = folder / "pytorch_model.bin.index.json";
  write_file(folder / "one", shard({"a", "b"}));
  write_file(folder / "two", shard({"c"}));
  const auto write_index = [&](std::string const& map) { write_file(index, R"({"weight_map":{)" + map + "}}"); };
  write_index(R"("a":"one","b":"one","c":"two","gone":"two")");
  for (std::string const& path : {index, folder.path()}) {
    CHECK(tensor_format_of(path) == tensor_format::pth);
    const TensorFile read = open_tensors(path);
    CHECK(read.tensors().size() == 3);
    CHECK(read.find("c") != nullptr);
    CHECK(read.stale() == std::vector<std::string>{"gone"});
  }
  struct Case {
    const char *map, *error;
  };
  const Case cases[] = {
      {R"("a":"one","b":"one","c":"three")", "three is missing"},
      {R"("a":"one","b":"one","c":"one","d":"two")", "the tensor c is not in the shard that the index names"},
      {R"("a":"one","c":"two")", "a shard has the tensor b, which the index does not name"},
      {R"("a":"one","a":"one","c":"two")", "the index names the tensor a twice"},
      {R"("a":"../one")", "puts a into '../one'"},
      {R"("a":1)", "expected a string"},
  };
  for (auto const& c : cases) {
    CAPTURE(c.map);
    write_index(c.map);
    CHECK_THROWS_WITH_AS(open_tensors(folder.path()), Contains(c.error), error);
  }
  write_file(index, "{}");
  CHECK_THROWS_WITH_AS(open_tensors(folder.path()), Contains("[pth] "), error);
  write_index(R"("a":"one","b":"one","c":"two")");
  write_file(folder / "two", shard({"a"}));
  CHECK_THROWS_WITH_AS(open_tensors(folder.path()), Contains("has the tensor a twice"), error);
  write_file(folder / "two", "PK");
  CHECK_THROWS_WITH_AS(open_tensors(folder.path()), Contains("two"), error);  // the shard, not the folder

  // One file stands before an index, and safetensors before both.
  write_file(folder / "pytorch_model.bin", shard({"whole"}));
  CHECK(open_tensors(folder.path()).find("whole") != nullptr);
  const std::vector<std::byte> eight(8);
  SafeTensor t{.name = "safe", .dtype = "F32", .shape = {2}};
  t.data = eight.data();
  t.bytes = 8;
  write_safetensors(folder / "model.safetensors", {t});
  CHECK(open_tensors(folder.path()).find("safe") != nullptr);
}

#undef CHECK_REFUSED

}  // namespace test_pth
