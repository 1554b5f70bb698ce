// Texts that are held to a form: whatever the logits are, the writer's text has it.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <tools/src/serve/grammars.hpp>
#include <tools/src/serve/writer.hpp>

namespace test_grammars {

namespace {

namespace grammar = fauna::grammar;
using namespace tool::serve;
using doctest::Contains;
using fauna::Bpe;
using nlohmann::json;

constexpr int end = 0;
const std::vector<int> stop_ids{end, 4};  // the second is a token with a text: <e>

/// An end, a special token, an a with an accent in two bytes, signs and letters, some joined.
Bpe tokens() {
  json vocab;
  int n = 0;
  for (const std::string t : {"<|end|>", "<|im_start|>", "Ã", "¡", "<e>", "Ġ"}) vocab[t] = n++;
  for (const char c : std::string("{}[]\",:-.01\\abeflnrstu")) vocab[std::string(1, c)] = n++;
  for (const std::string t : {"\":", "ab", "01", "},", "\",\"", "¡Ã"}) vocab[t] = n++;
  json added = json::array();
  for (const std::string t : {"<|end|>", "<|im_start|>"})
    added.push_back({{"id", vocab[t]},
                     {"content", t},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  const json level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  return Bpe::from_json(json{{"version", "1.0"},
                             {"truncation", nullptr},
                             {"padding", nullptr},
                             {"added_tokens", added},
                             {"normalizer", nullptr},
                             {"pre_tokenizer", level},
                             {"post_processor", nullptr},
                             {"decoder", level},
                             {"model",
                              {{"type", "BPE"},
                               {"dropout", nullptr},
                               {"unk_token", nullptr},
                               {"vocab", vocab},
                               {"merges", json::array()}}}}
                            .dump(),
                        "tokens");
}

struct Written {
  std::string text, finish;
  int tokens;
};
/// A text of random logits.
Written written(Bpe const& bpe, std::shared_ptr<grammar::TokenGrammar> g, std::uint64_t seed, int most = 1000) {
  Drawing how;
  how.seed = seed;
  how.grammar = std::move(g);
  how.frequency = 0.5F;  // so that no token is drawn for ever
  how.bias = {{end, static_cast<float>(seed % 7) - 3}};
  Metrics counted;
  Job job({{6}}, 1, std::move(how), Job::clock::time_point::max(), counted);
  Writer writer(job, 0, bpe, bpe.vocab(), stop_ids, most);
  fauna::Continuation c = writer.start(0);
  std::vector<float> logits(static_cast<std::size_t>(bpe.vocab()));
  for (std::uint64_t step = 0; !c.done; ++step) {
    for (std::size_t i = 0; i < logits.size(); ++i)
      logits[i] = static_cast<float>(fauna::Key{seed}.child(step).words(i)[0]) * 0x1p-30F;
    writer.next(c, logits.data());
  }
  Written w;
  std::optional<Piece> piece;
  while (job.next(piece, std::chrono::milliseconds(0)), piece) {
    w.text += piece->words;
    w.finish = piece->finish;
    w.tokens = piece->tokens;
  }
  return w;
}
Fields fields(json const& body) { return Fields(body.dump()); }

}  // namespace

TEST_CASE("a text has the form that it is held to") {
  const Bpe bpe = tokens();
  Grammars grammars(bpe, bpe.vocab(), stop_ids);
  const std::string schema =
      R"({"type": "object", "properties": {"b": {"type": "string", "maxLength": 6}, "a": {"type": "array", "items": {"enum": [1, "al", null]}, "maxItems": 4},
          "e": {"anyOf": [{"type": "integer"}, {"$ref": "#"}]}}, "required": ["a"]})";
  struct Form {
    Shape shape;
    grammar::Grammar plain;
  };
  const std::string expression = "(á|a|b){1,8}(<|0)?";
  const std::vector<Form> forms = {{{Shape::kind::regex, expression, "regex"}, {{grammar::regex(expression)}}},
                                   {{Shape::kind::schema, schema, "response_format"}, grammar::json_schema(schema)},
                                   {{Shape::kind::object, "", "response_format"}, grammar::json_object()}};
  for (Form const& form : forms) {
    Shape const& shape = form.shape;
    CAPTURE(shape.text);
    grammar::Automaton wanted(form.plain);
    const auto g = grammars.of(shape);
    CHECK(g == grammars.of(shape));
    int ended = 0, accents = 0;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      const Written w = written(bpe, g, seed);
      CAPTURE(w.text);
      const bool whole = w.finish == "stop";
      ended += whole ? 1 : 0;
      CHECK((whole ? wanted.matches(w.text) : wanted.next(wanted.start(), w.text) != grammar::Automaton::none));
      CHECK((!whole || shape.is == Shape::kind::regex || json::accept(w.text)));
      accents += w.text.find("á") != std::string::npos ? 1 : 0;
    }
    CHECK(ended > 30);
    CHECK(accents > 5);
  }
  // It ends as soon as nothing more may come, and without an end token; cut off it is a beginning.
  const auto two = grammars.of({Shape::kind::regex, "[01]{2}", "regex"});
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Written w = written(bpe, two, seed);
    CHECK(w.text.size() == 2);
    CHECK(w.finish == "stop");
    CHECK(w.tokens <= 2);
  }
  CHECK(written(bpe, grammars.of({Shape::kind::regex, "[ab]{9,}", "regex"}), 1, 2).finish == "length");
  CHECK(grammars.of({}) == nullptr);
}

TEST_CASE("what a request says of its text's form") {
  const auto shape = [](json const& body) { return request_detail::shape(fields(body)); };
  CHECK(shape(json::object()).is == Shape::kind::any);
  CHECK(shape({{"response_format", {{"type", "text"}}}}).is == Shape::kind::any);
  CHECK(shape({{"response_format", {{"type", "json_object"}}}}).is == Shape::kind::object);
  CHECK(shape({{"guided_regex", "a+"}}).text == "a+");
  // A schema in its own order.
  const Shape s = request_detail::shape(Fields(
      R"({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"z": 1, "a": 2}}}})"));
  CHECK(s.is == Shape::kind::schema);
  CHECK(json::parse(s.text) == json{{"a", 2}, {"z", 1}});
  CHECK(s.text.find('z') < s.text.find('a'));

  json deep = json::object();
  for (int i = 0; i < 200; ++i) deep = {{"items", deep}};
  const json wrong[] = {{{"regex", 3}},
                        {{"response_format", "text"}},
                        {{"response_format", {{"type", "xml"}}}},
                        {{"response_format", {{"type", "json_schema"}}}},
                        {{"response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", 3}}}}}},
                        {{"response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", deep}}}}}},
                        {{"regex", "a"}, {"response_format", {{"type", "json_object"}}}},
                        {{"regex", "a"}, {"guided_regex", "b"}}};
  for (json const& body : wrong) {
    CAPTURE(body.dump());
    CHECK_THROWS_AS(shape(body), Refusal);
  }

  const Bpe bpe = tokens();
  Grammars grammars(bpe, bpe.vocab(), stop_ids);
  const std::pair<const char*, const char*> refused[] = {{"(a", "'regex' cannot be followed: [regex] at the end"},
                                                         {"Q", "no text is allowed"},
                                                         {"<e>", "no text is allowed"},
                                                         {"()", "the empty text alone"},
                                                         {"(a{1000}){1000}", "more than 262144 states"}};
  for (auto const& r : refused)
    CHECK_THROWS_WITH_AS(grammars.of({Shape::kind::regex, r.first, "regex"}), Contains(r.second), Refusal);
}

}  // namespace test_grammars
