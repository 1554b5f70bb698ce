// What ranks do together, with threads as ranks: who gets what, in which order sums are made, and how many bytes go.
#include <doctest/doctest.h>

#include <string>

#include <fauna/dist/collectives.hpp>
#include <fauna/dist/counting.hpp>
#include <fauna/dist/solo.hpp>

#include "../support/thread_ranks.hpp"

namespace test_collectives {

using namespace fauna;

static_assert(Communicator<Solo> && Communicator<test::ThreadRank> && Communicator<Counting<Solo>>);
static_assert(!Communicator<int>);
static_assert(AsynchronousCommunicator<Solo> && AsynchronousCommunicator<Counting<test::AsyncThreadRank>>);
static_assert(!AsynchronousCommunicator<test::ThreadRank> && !AsynchronousCommunicator<Counting<test::ThreadRank>>);

namespace {

/// A number whose sums depend on their order.
float element(int piece, std::size_t i) {
  const auto x = static_cast<std::uint32_t>(piece) * 2654435761U + static_cast<std::uint32_t>(i) * 40503U + 12345U;
  return static_cast<float>(static_cast<std::int32_t>(x * 1664525U)) * 1e-9F;
}
/// The tree as collectives.hpp defines it.
float tree(int from, int to, std::size_t i) {
  if (to - from == 1) return element(from, i);
  int half = 1;
  while (2 * half < to - from) half *= 2;
  return tree(from, from + half, i) + tree(from + half, to, i);
}

}  // namespace

TEST_SUITE("collectives") {
  TEST_CASE("a cut has no holes, goes through no block, and is even to a block") {
    for (const std::size_t n : {0U, 1U, 5U, 64U, 1000U})
      for (const std::size_t block : {1U, 7U, 64U})
        for (int ranks = 1; ranks < 6; ++ranks) {
          const Cut cut{n, block, ranks};
          CHECK(cut.at(0) == 0);
          CHECK(cut.at(ranks) == n);
          for (int r = 0; r < ranks; ++r) {
            CHECK(cut.at(r) <= cut.at(r + 1));
            CHECK((cut.at(r) % block == 0 || cut.at(r) == n));
            for (int q = 0; q < ranks; ++q) CHECK(cut.size(r) <= cut.size(q) + 2 * block);
          }
        }
  }

  TEST_CASE("nodes are aligned, ascending and few") {
    for (int from = 0; from < 20; ++from)
      for (int to = from; to < 40; ++to) {
        int at = from;
        const auto nodes = piece_nodes(from, to);
        for (auto const& node : nodes) {
          CHECK(node.first == at);
          CHECK(node.first % node.count == 0);
          CHECK((node.count & (node.count - 1)) == 0);
          at += node.count;
        }
        CHECK(at == to);
        CHECK(nodes.size() <= 10);
      }
  }

  TEST_CASE("all_gather, gather and broadcast bring every byte, and send what the formulas say") {
    for (int n = 1; n < 5; ++n) {
      const Cut cut{103, 10, n};
      test::on_ranks(n, [&](auto& rank) {
        Counting c(rank);
        const auto check = [&](std::vector<double> const& data) {
          for (std::size_t i = 0; i < data.size(); ++i)
            if (data[i] != static_cast<double>(i)) throw std::runtime_error("element " + std::to_string(i));
        };
        const auto part = [&](int only) {
          std::vector<double> data(cut.n, -1);
          for (std::size_t i = cut.at(only); i < cut.at(only + 1); ++i) data[i] = static_cast<double>(i);
          return data;
        };
        const auto sent = [&](std::size_t bytes, std::size_t calls) {
          if (c.bytes() != bytes || c.calls() != calls)
            throw std::runtime_error(std::to_string(c.bytes()) + " bytes in " + std::to_string(c.calls()) + " calls");
          c.forget();
        };
        const int me = c.rank();
        const auto others = static_cast<std::size_t>(n - 1);
        auto data = part(me);
        all_gather(c, data.data(), [&](int r) { return cut.at(r); });
        check(data);
        sent(others * cut.size(me) * sizeof(double), 1);
        data = part(me);
        gather(c, me == n - 1 ? data.data() : data.data() + cut.at(me), cut, n - 1);
        if (me == n - 1) check(data);
        sent(me == n - 1 ? 0 : cut.size(me) * sizeof(double), 1);
        if (me != n - 1) data.assign(cut.n, -1);
        broadcast(c, data.data(), cut.n, n - 1);
        check(data);
        sent(me == n - 1 ? others * cut.n * sizeof(double) : 0, 1);
        const auto ranks = all_gather(c, me);
        for (int r = 0; r < n; ++r)
          if (ranks[static_cast<std::size_t>(r)] != r) throw std::runtime_error("a rank out of order");
        sent(others * sizeof(int), 1);
        barrier(c);
        sent(others, 1);
      });
    }
  }

  TEST_CASE("a sum over pieces has the tree's bits on any number of ranks, whatever goes at once") {
    for (const int pieces : {1, 2, 3, 5, 8, 12, 16})
      for (int n = 1; n < 5; ++n)
        for (const std::size_t most : {7U, 64U, 1U << 17}) {
          const Cut cut{200, 16, n};
          const PieceShares shares{pieces, n};
          test::on_ranks(n, [&](auto& rank) {
            Counting c(rank);
            std::vector<std::vector<float>> arrays;
            for (PieceNode const& node : shares.nodes(c.rank())) {
              auto& array = arrays.emplace_back(cut.n);
              for (std::size_t i = 0; i < cut.n; ++i) array[i] = tree(node.first, node.first + node.count, i);
            }
            std::vector<float*> own;
            own.reserve(arrays.size());
            for (auto& a : arrays) own.push_back(a.data());
            std::vector<float> result(cut.n, -1);
            float* const to = own.empty() ? result.data() : own.back();  // where a node is, as in training
            reduce_scatter(c, shares, own, to, cut, most);
            for (std::size_t i = cut.at(c.rank()); i < cut.at(c.rank() + 1); ++i)
              if (to[i] != tree(0, pieces, i)) throw std::runtime_error("element " + std::to_string(i));
            if (c.bytes() != own.size() * (cut.n - cut.size(c.rank())) * sizeof(float))
              throw std::runtime_error(std::to_string(c.bytes()) + " bytes");
          });
        }
  }

  TEST_CASE("who waits for a rank that has failed is told") {
    CHECK_THROWS_WITH(test::on_ranks(3,
                                     [](auto& rank) {
                                       if (rank.rank() == 0) throw std::runtime_error("no more");
                                       barrier(rank);
                                     }),
                      "no more");
  }
}

}  // namespace test_collectives
