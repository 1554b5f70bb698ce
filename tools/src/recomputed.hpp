// What --recompute makes of the model that "model.hpp" names, or of a rank's part of it.
#pragma once
#include "model.hpp"

namespace tool {

/// M as it trains.
#ifdef FAUNA_RECOMPUTED
template <class M> using Recomputed = FAUNA_RECOMPUTED<M>;
#else
template <class M> using Recomputed = M;
#endif

}  // namespace tool
