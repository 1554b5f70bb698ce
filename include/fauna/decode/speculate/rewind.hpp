// How a state of one size goes back to those rows of a draft that stay. Keys and values forget rows by counting; a
// recurrent state has all of them in it.
#pragma once
#include <string>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

/// copy: the state is copied before a draft is read, and put back; rows that stay are read again, beside the next
/// draft. all_states: the pass that reads a draft keeps the state after each of its rows, and that of the last one to
/// stay is put back: no row is read twice. factors: it keeps the state that it enters with, and what the recurrence is
/// given of each row (keys, values, decays), which for the rows that stay is then folded into that state; parts of a
/// state that are no larger than that are kept as for all_states. replay: nothing is kept, and the text is read again
/// from its first row. automatic: factors for up to 16 rows of a text, where the memory is the host's; else copy. The
/// ids are the same.
enum class rewinds { automatic, copy, all_states, factors, replay };

/// The policy that is called auto, copy, all_states, factors or replay. Throws for another name.
inline rewinds rewinds_of(std::string const& name) {
  if (name == "auto") return rewinds::automatic;
  if (name == "copy") return rewinds::copy;
  if (name == "all_states") return rewinds::all_states;
  if (name == "factors") return rewinds::factors;
  if (name == "replay") return rewinds::replay;
  fail("speculate", "a rewind by " + name, "auto, copy, all_states, factors or replay");
}

}  // namespace fauna::inline v0
