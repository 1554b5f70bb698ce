// Checkpoints that ranks write in parts: any number of ranks in any stage goes on with what any other has written, with
// the same bits; they become one file again; what is kept, and what is not whole.
#include <doctest/doctest.h>

#include "../support/temporary.hpp"
#include "ranks.hpp"

namespace test_parts {

using namespace fauna;
using test::left_by, test::left_on, test::options, test::Single, test::ThreadRank;

namespace {

constexpr int pieces = 6;

TrainOptions kept(int keep) {
  TrainOptions o = options(6, 1);
  o.keep = keep;
  return o;
}

/// Two updates on n ranks, saved as PATH.
template <int Zero> void save_after_two(int n, TrainOptions const& o, std::string const& path) {
  test::on_ranks(n, [&](ThreadRank& rank) {
    Single model(seed{5}, 1);
    using Ranks = DataParallel<ThreadRank, Zero>;
    Trainer<Single, Ranks> run(model, test::both(), o, {}, Ranks(rank, pieces));
    run.step();
    run.step();
    run.save(path);
  });
}

}  // namespace

TEST_SUITE("parts") {
  TEST_CASE("any number of ranks in any stage goes on with the parts of any other, to the bit") {
    TemporaryFolder folder;
    Solo solo;
    const auto whole = left_by<Single>(DataParallel(solo, pieces), kept(0), 4);
    save_after_two<0>(1, kept(0), folder / "plain.safetensors");
    const auto check = [&](int writers, auto save) {
      const std::string out = folder / ("of" + std::to_string(writers));
      make_directories(out);
      save(writers, kept(1), out + "/last.safetensors");
      TrainOptions o = kept(1);
      o.resume = out + "/last.safetensors";
      const auto same = [&](auto const& all) {
        for (auto const& each : all) CHECK(each.values == whole.values);
        CHECK(all[0].moments == whole.moments);
      };
      same(left_on<Single, 0>(1, pieces, o, 2));
      same(left_on<Single, 1>(4, pieces, o, 2));
      same(left_on<Single, 2>(3, pieces, o, 2));
      same(left_on<Single, 3>(2, pieces, o, 2));

      Single model(seed{5}, 1);  // and one file again
      model.prepare_training({.sequences = 1, .length = 5});
      const CheckpointHead head = load_checkpoint(o.resume, model);
      save_checkpoint(folder / "again.safetensors", model, head);
      CHECK(read_file(folder / "again.safetensors") == read_file(folder / "plain.safetensors"));
      Single weights(seed{6}, 1);
      load_checkpoint(o.resume, weights, load::weights);
      for (auto const& p : model.parameters())
        for (std::size_t i = 0; i < p.size(); ++i) CHECK(weights.value(p).data()[i] == model.value(p).data()[i]);
    };
    check(1, save_after_two<0>);
    check(2, save_after_two<1>);
    check(3, save_after_two<2>);
    check(4, save_after_two<3>);
    TrainOptions o = kept(1);  // and from one file to ranks
    o.resume = folder / "plain.safetensors";
    for (auto const& each : left_on<Single, 3>(3, pieces, o, 2)) CHECK(each.values == whole.values);
  }

  TEST_CASE("the last ones are kept, and those that last and best know; beside the updates they are the same") {
    std::vector<std::string> written[2];
    for (const bool later : {false, true}) {
      CAPTURE(later);
      TemporaryFolder folder;
      make_directories(folder / "step-7");  // of a run that ended as it saved
      test::on_ranks(2, [&](ThreadRank& rank) {
        Single model(seed{5}, 1);
        using Ranks = DataParallel<ThreadRank, 3>;
        TrainOptions o = kept(2);
        o.async_checkpoints = later;
        Trainer<Single, Ranks> run(model, test::both(), o, {}, Ranks(rank, pieces));
        for (int i = 0; i < 5; ++i) {
          run.step();
          run.look_after_saves();
          run.save(folder / "last.safetensors");
          if (i == 1) run.save(folder / "best.safetensors");
        }
        run.step();  // the last one is a copy, or is there already
        run.finish_saves();
      });
      for (const auto& step : {std::pair{"step-1", false},
                               {"step-2", true},
                               {"step-3", false},
                               {"step-4", true},
                               {"step-5", true},
                               {"step-7", false}}) {
        CAPTURE(step.first);
        CHECK(exists(folder / step.first) == step.second);
      }
      for (const char* name : {"last.safetensors", "best.safetensors", "step-4/checkpoint.safetensors"}) {
        Single model(seed{6}, 1);
        model.prepare_training({.sequences = 1, .length = 5});
        load_checkpoint(folder / name, model);
        written[later].push_back(read_file(folder / name));  // with the checksums of the parts
      }
    }
    CHECK(written[0] == written[1]);
  }

  TEST_CASE("a rank that cannot write stops all, and a part that is missing or damaged is no checkpoint") {
    TemporaryFolder folder;
    make_directories(folder / "step-0/rank-1.safetensors");  // no file can have this name
    for (const bool later : {false, true}) {
      std::vector<std::string> said(3);
      test::on_ranks(3, [&](ThreadRank& rank) {
        Single model(seed{5}, 1);
        model.prepare_training({.sequences = 1, .length = 5});
        DataParallel<ThreadRank, 1> ranks(rank);
        ranks.start(model);
        checkpoint::PartFile part;
        part.write(model, ranks.shards(), folder / "step-0", rank.rank(), later);
        try {
          (void)part.join(rank, [&](int x) { return ranks.most(x); });
        } catch (error const& e) {
          said[static_cast<std::size_t>(rank.rank())] = e.what();
        }
      });
      for (auto const& s : said) CHECK(s.find("rank 1 could not write its part") != s.npos);
      CHECK(said[1].find("step-0/rank-1.safetensors") != said[1].npos);
    }

    save_after_two<2>(3, kept(1), folder / "last.safetensors");
    const std::string part = folder / "step-2/rank-2.safetensors", bytes = read_file(part);
    Single model(seed{6}, 1);
    model.prepare_training({.sequences = 1, .length = 5});
    std::vector<float> before, after;
    test::add_values(model, before);
    std::string damaged = bytes;
    damaged.back() = static_cast<char>(damaged.back() ^ 1);
    write_file(part, damaged);
    CHECK_THROWS_WITH_AS(load_checkpoint(folder / "last.safetensors", model), doctest::Contains("is damaged"), error);
    ::unlink(part.c_str());
    CHECK_THROWS_WITH_AS(load_checkpoint(folder / "last.safetensors", model), doctest::Contains("there is no file"),
                         error);
    test::add_values(model, after);
    CHECK(before == after);
    write_file(part, bytes);
    load_checkpoint(folder / "last.safetensors", model);
    using Other = Trained<Gpt<GptConfig{.layers = 2, .heads = 2, .width = 28, .context = 12, .vocab = 27}>, Cpu<>>;
    Other other(seed{6}, 1);
    other.prepare_training({.sequences = 1, .length = 5});
    CHECK_THROWS_WITH_AS(load_checkpoint(folder / "last.safetensors", other), doctest::Contains("of another model"),
                         error);
  }
}

}  // namespace test_parts
