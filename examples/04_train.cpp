// 04: train on Shakespeare with the library's loop.
//
//   04_train                a few updates on two sonnets, to see that it works
//   04_train FILE           the same few updates on a text of yours
//   04_train FILE --full    nanoGPT's run for a CPU: 2,001 updates, checkpoints and loss curve in out/
//
// FILE needs the 65 characters of Tiny Shakespeare, because the vocabulary is part of the type. For any other text
// tools/fauna writes the type, compiles it and runs it.
#include <cstdio>
#include <cstring>
#include <exception>

#include <fauna/fauna.hpp>

using Model =
    fauna::Gpt<fauna::GptConfig{.layers = 4, .heads = 4, .width = 128, .context = 64, .vocab = 65, .bias = false}>;
static_assert(fauna::parameters<Model> == 804'096);

// The first lines hold every character of Tiny Shakespeare once, so that the vocabulary is the same.
const char* const sonnets = R"(ABCDEFGHIJKLMNOPQRSTUVWXYZ
abcdefghijklmnopqrstuvwxyz
!$&',-.3:;?
Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance or nature's changing course untrimm'd;
But thy eternal summer shall not fade
Nor lose possession of that fair thou owest;
Nor shall Death brag thou wander'st in his shade,
When in eternal lines to time thou growest:
So long as men can breathe or eyes can see,
So long lives this, and this gives life to thee.

Let me not to the marriage of true minds
Admit impediments. Love is not love
Which alters when it alteration finds,
Or bends with the remover to remove:
O no! it is an ever-fixed mark
That looks on tempests and is never shaken;
It is the star to every wandering bark,
Whose worth's unknown, although his height be taken.
Love's not Time's fool, though rosy lips and cheeks
Within his bending sickle's compass come:
Love alters not with his brief hours and weeks,
But bears it out even to the edge of doom.
If this be error and upon me proved,
I never writ, nor no man ever loved.
)";

int main(int count, char** arguments) {
  try {
    const bool full = count > 2 && std::strcmp(arguments[2], "--full") == 0;
    const auto text = count > 1 ? fauna::CharText::from_file(arguments[1]) : fauna::CharText::from_string(sonnets);
    if (text.vocab() != Model::vocab)
      fauna::fail("04_train", "a text of " + std::to_string(text.vocab()) + " characters", std::to_string(Model::vocab),
                  "tools/fauna train --data FILE takes any text");

    fauna::Trained<Model, fauna::Cpu<>> model(fauna::seed{1337}, fauna::default_threads());
    fauna::TrainOptions options{.steps = 60, .eval_interval = 30, .eval_batches = 5};
    if (full) options = {.steps = 2000, .out = "out"};
    const auto report = fauna::train(model, text, options);

    std::printf("\n%s\n",
                fauna::generate(model, text, "Love", {.tokens = full ? 500 : 100, .at_end = fauna::context_end::slide})
                    .c_str());
    std::printf("%lld updates, %.0f tokens/s; loss of the last batch %.3f, of an untrained model %.3f = ln 65\n",
                report.iterations, report.tokens_per_second, report.loss, 4.174);
    return report.loss < 3 ? 0 : 1;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
