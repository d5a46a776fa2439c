/*
 * The layouts that a released program relies on. Lines are only added to this file; a line that no
 * longer compiles is an ABI break and needs a new soname.
 */
#include "laneway.h"

#define AT(type, field, offset)                                                                    \
  _Static_assert(offsetof(struct type, field) == (offset), #type "." #field " has moved")
#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type " has another size")
#define SIZE_MIN(type, size) _Static_assert(sizeof(struct type) >= (size), #type " has shrunk")

_Static_assert(sizeof(laneway_status) == 4, "a status is 32 bits wide");
_Static_assert(LANEWAY_OK == 0 && LANEWAY_PENDING == 1 && LANEWAY_END == 2, "statuses are fixed");
_Static_assert(LANEWAY_EINVAL == -1 && LANEWAY_EPANIC == -2, "statuses are fixed");
_Static_assert(LANEWAY_ETIMEDOUT == -3 && LANEWAY_ECANCELED == -4, "statuses are fixed");
_Static_assert(LANEWAY_EABANDONED == -5 && LANEWAY_ESHUTDOWN == -6, "statuses are fixed");
_Static_assert(LANEWAY_EBUSY == -7 && LANEWAY_EDEADLK == -8, "statuses are fixed");
_Static_assert(LANEWAY_EFORKED == -9 && LANEWAY_ENOTFOUND == -10, "statuses are fixed");
_Static_assert(LANEWAY_ECONFLICT == -11 && LANEWAY_EIO == -12, "statuses are fixed");
_Static_assert(LANEWAY_ECORRUPT == -13 && LANEWAY_EUNSUPPORTED == -14, "statuses are fixed");
_Static_assert(LANEWAY_ENOMEM == -15 && LANEWAY_EALREADY == -16, "statuses are fixed");
_Static_assert(LANEWAY_EFULL == -17 && LANEWAY_ETOOLONG == -18, "statuses are fixed");
_Static_assert(LANEWAY_EFENCED == -19 && LANEWAY_EEXISTS == -20, "statuses are fixed");
_Static_assert(LANEWAY_EPREDECESSOR == -21 && LANEWAY_EUSER == -1000, "statuses are fixed");
