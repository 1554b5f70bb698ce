// What a frozen model gives for windows of a text, kept in a file.
#include <doctest/doctest.h>

#include <fauna/train/eagle.hpp>
#include <fauna/train/medusa.hpp>

#include "../support/small_llamas.hpp"
#include "../support/speculate_check.hpp"
#include "../support/temporary.hpp"

namespace test_hidden_rows {

using namespace fauna;
using doctest::Contains;

namespace {

using test::Untied;
using B = Cpu<>;
constexpr int d = Untied::width;
using Layer = Eagle<eagle_of(Untied::config)>;

/// Rows that say which token they are of, and how many windows were asked for in each call.
struct Counting {
  std::vector<int> asked{};
  void hidden(Batch const& b, Matrix<float> h) {
    asked.push_back(b.sequences);
    for (int r = 0; r < h.rows(); ++r)
      for (int c = 0; c < h.cols(); ++c) h(r, c) = static_cast<float>(100 * b.tokens[r] + c);
  }
};
std::vector<int> counted(int n) {
  std::vector<int> ids;
  for (int i = 0; i < n; ++i) ids.push_back(i);
  return ids;
}

}  // namespace

TEST_CASE("windows: on a grid all are visited once an epoch, in another order each") {
  Windows windows("test", 100, 8, 3, Key{1, 2}, true);  // from 0 to 88
  std::vector<std::size_t> starts(6), epochs[2];
  for (int step = 0; step < 4; ++step) {
    windows.starts(step, starts);
    for (const std::size_t s : starts) epochs[step / 2].push_back(s);
  }
  CHECK(epochs[0] != epochs[1]);
  for (auto const& epoch : epochs) {
    std::vector<int> seen(12);
    for (const std::size_t s : epoch) CHECK((s % 8 == 0 && s <= 88 && ++seen[s / 8] == 1));
  }
  Windows again("test", 100, 8, 3, Key{1, 2}, true);
  again.starts(3, starts);  // a step's windows do not depend on those before
  CHECK(std::equal(starts.begin(), starts.end(), epochs[1].begin() + 6));
  CHECK_THROWS_WITH_AS(Windows("test", 11, 8, 3, Key{}, true), Contains("a text of 11 tokens, expected more than 11"),
                       error);
}

TEST_CASE("hidden rows: each window is computed once, across files that are opened again, and damage is") {
  const TemporaryFolder folder;
  const std::string path = folder / "rows";
  const auto ids = counted(30);
  std::vector<float> memory(3 * 4 * 2);
  const Matrix<float> h(memory.data(), 12, 2);
  const auto right = [&](std::vector<std::size_t> const& starts) {
    for (int r = 0; r < 12; ++r)
      for (int c = 0; c < 2; ++c) {
        const int token = static_cast<int>(starts[static_cast<std::size_t>(r) / 4]) + r % 4;
        if (h(r, c) != static_cast<float>(100 * token + c)) return false;
      }
    return true;
  };
  const auto read = [&](std::vector<std::size_t> const& starts) {
    Counting target;
    HiddenRows rows(path, 7, ids, 4, 2);
    std::fill(memory.begin(), memory.end(), -1.0F);
    rows.hidden(target, starts, h);
    CHECK(right(starts));
    long sum = 0;
    for (const int n : target.asked) sum += n;
    CHECK(rows.computed() == sum);
    return target.asked;
  };
  using Asked = std::vector<int>;
  CHECK(read({8, 0, 20}) == Asked{3});
  CHECK(read({0, 24, 8}) == Asked{1});
  CHECK(read({24, 20, 0}).empty());
  std::string bytes = read_file(path);
  bytes[bytes.size() - 5] ^= 1;  // in the last window, the one from 24 on
  write_file(path, bytes);
  CHECK(read({24, 20, 0}) == Asked{1});
  write_file(path, bytes.substr(0, bytes.size() - 5));
  CHECK(read({24, 20, 0}) == Asked{1});
  CHECK(read({24, 20, 0}).empty());

  const auto refused = [&](const char* words, std::uint64_t model, std::vector<int> const& text, int length,
                           int width) {
    CHECK_THROWS_WITH_AS(HiddenRows(path, model, text, length, width), Contains(words), error);
  };
  refused("is of another model", 8, ids, 4, 2);
  refused("is of 30 tokens of a text, expected 31", 7, counted(31), 4, 2);
  auto other = ids;
  other[29] = 0;
  refused("is of another text", 7, other, 4, 2);
  refused("is of 4 tokens a window, expected 5", 7, ids, 5, 2);
  refused("is of 2 numbers a row, expected 3", 7, ids, 4, 3);
  refused("windows of nothing", 7, ids, 0, 2);
  write_file(path, bytes.substr(0, 60));
  refused("was cut short", 7, ids, 4, 2);
  write_file(path, "rows");
  refused("is no file of rows", 7, ids, 4, 2);
}

TEST_CASE("hidden rows: losses are to the bit what they are without, by an empty file and by a full one") {
  const auto trained = test::lively<Untied, B>(1);
  Loaded<Untied, B, All<float>> target(trained.weights(), 1);
  auto other = test::lively<Untied, B>(1);
  other.value(other.parameter("lm_head.weight")).data()[0] += 1;
  Loaded<Untied, B, All<float>> another(other.weights(), 1);
  const auto ids = test::some_tokens<Untied>(200, 3);
  const TemporaryFolder folder;
  const auto thrice = [&](std::string const& path, int length, long windows, auto&& losses_with) {
    const std::vector<double> want = losses_with(nullptr);
    for (const long computed : {windows, 0L}) {
      HiddenRows rows(path, target, ids, length);
      CHECK(losses_with(&rows) == want);
      CHECK(rows.computed() == computed);
    }
    CHECK_THROWS_WITH_AS(HiddenRows(path, another, ids, length), Contains("is of another model"), error);
  };
  thrice(folder / "medusa", 15, 13, [&](HiddenRows* known) {
    std::vector<double> all;
    train_medusa(
        target, ids, {.heads = 2, .steps = 6, .batch = 3, .context = 15, .lr = 1e-2, .grid = true},
        [&](int, std::vector<float> const& l, MedusaWeights const&) { all.insert(all.end(), l.begin(), l.end()); },
        known);
    return all;
  });
  thrice(folder / "eagle", 16, 12, [&](HiddenRows* known) {
    std::vector<double> all;
    Trained<Layer, B> layer(seed{1}, 1);
    train_eagle(
        layer, target, ids, {.steps = 6, .batch = 3, .context = 15, .lr = 1e-2, .grid = true},
        [&](int, EagleLosses const& l) {
          all.insert(all.end(), {l.features, l.tokens});
        },
        known);
    return all;
  });
  HiddenRows rows(folder / "medusa", target, ids, 15);
  const auto none = [](int, std::vector<float> const&, MedusaWeights const&) {};
  CHECK_THROWS_WITH_AS(train_medusa(target, ids, {.context = 15}, none, &rows),
                       Contains("that begin anywhere, expected 15 on a grid"), error);
  CHECK_THROWS_WITH_AS(train_medusa(target, ids, {.context = 16, .grid = true}, none, &rows),
                       Contains("windows of 16 tokens"), error);
}

}  // namespace test_hidden_rows
