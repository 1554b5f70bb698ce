// The published counts of parameters of the presets whose layers are of several kinds.
#include <fauna/core/concepts.hpp>
#include <fauna/models/jamba.hpp>

using namespace fauna;

static_assert(JambaV01::parameters == 51'570'323'328 && JambaV01::active_parameters == 12'110'311'296);
static_assert(Jamba15Large::parameters == 398'555'145'696);
static_assert(!ConstantState<JambaV01> && context_of<JambaV01> == 262'144);
