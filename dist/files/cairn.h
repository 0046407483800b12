/* cairn.h: what libcairn.so.1 serves beyond the headers of the C library.

   malloc's family, `mallopt`, `malloc_trim` and the statistics are declared by <stdlib.h> and
   <malloc.h>, which this includes. */

#ifndef CAIRN_H
#define CAIRN_H

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

/* The release that this header came with. */
#define CAIRN_VERSION "@VERSION@"
#define CAIRN_VERSION_MAJOR @MAJOR@
#define CAIRN_VERSION_MINOR @MINOR@
#define CAIRN_VERSION_PATCH @PATCH@

#ifdef __cplusplus
extern "C" {
#endif

/* C23's, which older C libraries do not declare. A size or an alignment other than the object was
   asked for with ends the process. */
extern void free_sized(void *object, size_t size) __THROW;
extern void free_aligned_sized(void *object, size_t alignment, size_t size) __THROW;

/* From now on a thread of Cairn's own gives memory back where the program has stopped calling (not 0),
   or no more (0); 1 if it did so before, else 0. A process with one thread has none until a second
   one comes. `mallopt(M_CAIRN_BACKGROUND, 1)` says the same, and CAIRN_BACKGROUND=1 from the start. */
extern int cairn_background(int on) __THROW;
#define M_CAIRN_BACKGROUND 0x43410001

#ifdef __cplusplus
}
#endif

#endif
