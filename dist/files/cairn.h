/* cairn.h: what libcairn.so.1 serves beyond the headers of the C library.

   malloc's family, `mallopt`, `malloc_trim` and the statistics are declared by <stdlib.h> and
   <malloc.h>, which this includes. What has Cairn's name in front is here, and carries the version
   CAIRN_1 in the library: a program that calls it starts on no other allocator. One that is to run on
   any asks for it by `dlsym(RTLD_DEFAULT, "cairn_trim")`.

   All of them may be called from any thread, but not from a signal handler. None but those of
   `struct cairn_heap` sets `errno` to an error. The Rust crate has the same functions without the prefix, with the same meaning. */

#ifndef CAIRN_H
#define CAIRN_H

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
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

/* The release of the library that serves, which may be newer than this header: "0.1.0". Never freed. */
extern const char *cairn_version(void) __THROW;

/* The figures of the whole heap at one moment, in bytes where nothing else is said. Later releases
   add fields at the end; `version` rises only if one changes its meaning. */
struct cairn_stats {
    uint32_t version; /* set by the call: CAIRN_STATS_VERSION */
    uint32_t size;    /* set by the caller: sizeof(struct cairn_stats); by the call: what it filled */
    uint64_t in_use;  /* all that the program holds, headers included, mapped chunks among it */
    uint64_t free;    /* of heaps, what no object has; some pages of it may be the system's again */
    uint64_t cached;  /* of `free`, what lies in caches of threads or in check mode's quarantine */
    uint64_t heaps;   /* of the heaps of all arenas: what is in use there, and `free` */
    uint64_t mapped;  /* of mapped chunks, whole pages */
    uint64_t mapped_chunks; /* their number */
    uint64_t peak_heaps;    /* the most that each arena's heaps ever had, added up */
    uint64_t peak_mapped;   /* the most of mapped chunks at a time */
    uint64_t purged;  /* of pages inside heaps, what was given back to the system so far */
    uint64_t arenas;  /* their number */
    uint64_t threads; /* number of threads that have a cache */
};
#define CAIRN_STATS_VERSION 1

/* Fills as much of `*stats` as its field `size` says there is, and says there how much that was: a
   program may be older or newer than the library. 0; or EINVAL, and nothing is written, where
   `stats` is null or has no room for a figure.

       struct cairn_stats stats = { .size = sizeof stats };
       if (cairn_stats(&stats) == 0)
           printf("%" PRIu64 " bytes in use\n", stats.in_use); */
extern int cairn_stats(struct cairn_stats *stats) __THROW;

/* Gives back to the system whatever is free, in all arenas; 1 if anything went, else 0. As
   `malloc_trim(0)`, by a name that no other allocator has. */
extern int cairn_trim(void) __THROW;

/* Empties this thread's cache into its arena, where other threads are served from it. Nothing goes
   to the system. */
extern void cairn_flush(void) __THROW;

/* Says that this thread waits for long now. Its cache is emptied; if no other thread allocates from
   the same arena, what is free there goes back to the system at once, but for M_TOP_PAD bytes at the
   heap's end. 1 if anything went, else 0. The thread may go on as if nothing had been said. In check
   mode threads have no caches, and nothing happens. */
extern int cairn_idle(void) __THROW;

/* Begins to sample the heap, one sample for every `interval` bytes in the mean, or samples it by another
   interval from now on; 0 stops it. 524288 is usual. What was allocated before is in no profile, and in
   check mode nothing is sampled. `cairn profile PID` takes the profile, and CAIRN_PROFILE=1 says the same
   from the start. */
extern void cairn_start_profile(size_t interval) __THROW;

/* Takes no more samples. Those that are there stay until their objects are freed. */
extern void cairn_stop_profile(void) __THROW;

/* Mean bytes between two samples; 0 while the heap is not sampled. */
extern size_t cairn_profile_interval(void) __THROW;

/* Bytes at `object` that may be written, at least as many as were asked for. 0 where it is null or
   another allocator's; `malloc_usable_size` ends the process then. It must not have been freed. */
extern size_t cairn_usable_size(void *object) __THROW;

/* Whose a piece of the heap is. */
enum cairn_state {
    CAIRN_IN_USE = 0, /* the program's */
    CAIRN_CACHED = 1, /* free, in the cache of a thread or in check mode's quarantine */
    CAIRN_FREE = 2    /* free, for any thread that asks the arena */
};

/* Called for each piece of the heap with `context`; `bytes` are those that may be written of an
   object in use, and the length of a free piece. It must neither allocate nor free, which ends the
   process, since the arena is locked; nor leave by `longjmp` or an exception. */
typedef void cairn_visit(void *context, void *object, size_t bytes, int state);

/* Shows every object of the heap and every free piece, arena by arena, then the mapped chunks; and
   checks the heap on the way. 0; or the number of the invariant that is broken (docs/design.md),
   where the walk ends. Without a `visit` it only checks. Later releases may add states. */
extern int cairn_walk_objects(cairn_visit *visit, void *context);

/* A heap of the program's own: memory for one purpose, with a name, perhaps a limit, and an end.

   Its objects lie apart from all others. Any thread may ask for them and give them back, by the heap
   or by plain `free`; `realloc` leaves them in it. `malloc_info`, `cairn stats` and `cairn why` show it
   by its name. A process can have 4,096 at a time. (Under valgrind's memcheck give its objects back by
   the heap alone: plain `free` is memcheck's there.) */
struct cairn_heap;

/* Makes one that is empty. The name, of at most 32 bytes of UTF-8 without control characters,
   quotation marks, backslashes, <, > and &, is copied. `limit` is in bytes of what the heap has from the
   system, by 64 KiB and what is large by pages; 0 for none. NULL with `errno`: EINVAL for the name,
   EAGAIN where there are 4,096 already, ENOMEM. */
extern struct cairn_heap *cairn_heap_new(const char *name, size_t limit) __THROW;

/* As `malloc`, `calloc`, `aligned_alloc`, `realloc` and `free`, in the heap: NULL with ENOMEM where
   there is no memory or the limit would be passed. An object of another heap ends the process, as one
   that is not live does. */
extern void *cairn_heap_alloc(struct cairn_heap *heap, size_t size) __THROW;
extern void *cairn_heap_calloc(struct cairn_heap *heap, size_t count, size_t size) __THROW;
extern void *cairn_heap_aligned_alloc(struct cairn_heap *heap, size_t alignment, size_t size) __THROW;
extern void *cairn_heap_realloc(struct cairn_heap *heap, void *object, size_t size) __THROW;
extern void cairn_heap_free(struct cairn_heap *heap, void *object) __THROW;

/* Gives all memory of the heap back to the system at once, whatever is still in it. No thread may use
   it or anything in it meanwhile or afterwards: an object that is freed later ends the process. NULL is
   fine. */
extern void cairn_heap_destroy(struct cairn_heap *heap) __THROW;

/* The figures of a heap at one moment, in bytes; as `struct cairn_stats`. */
struct cairn_heap_stats {
    uint32_t version; /* set by the call: CAIRN_HEAP_STATS_VERSION */
    uint32_t size;    /* set by the caller, and by the call, as in `struct cairn_stats` */
    uint64_t in_use;  /* all that the program holds of it, headers included, mapped chunks among it */
    uint64_t free;    /* what no object has; some pages of it may be the system's again */
    uint64_t cached;  /* of `free`, what waits in check mode's quarantine */
    uint64_t heaps;   /* what it has beside its mapped chunks: what is in use there, and `free` */
    uint64_t mapped;  /* of its mapped chunks */
    uint64_t peak_heaps; /* the most that `heaps` ever was */
    uint64_t limit;   /* its limit, 0 for none */
};
#define CAIRN_HEAP_STATS_VERSION 1

/* Fills `*stats` as `cairn_stats` does; 0, or EINVAL. */
extern int cairn_heap_stats(struct cairn_heap *heap, struct cairn_heap_stats *stats) __THROW;

/* From now on a thread of Cairn's own gives memory back where the program has stopped calling (not 0),
   or no more (0); 1 if it did so before, else 0. A process with one thread has none until a second
   one comes. `mallopt(M_CAIRN_BACKGROUND, 1)` says the same, and CAIRN_BACKGROUND=1 from the start. */
extern int cairn_background(int on) __THROW;
#define M_CAIRN_BACKGROUND 0x43410001

/* Limits what the heap of the process may hold from now on, bytes, 0 for no limit; what the limit was, 0
   for none. Near it caches shrink, and all that is free goes back before more is handed out. What is
   held already counts: pages of the heap that were handed out and did not go back, touched or not, and
   mapped chunks. With `hard` not 0, a request that would come to more gets NULL and ENOMEM; what is held
   above the limit stays. In check mode there is none. CAIRN_LIMIT and CAIRN_LIMIT_HARD say the same
   from the start. */
extern size_t cairn_limit(size_t bytes, int hard) __THROW;

#ifdef __cplusplus
}
#endif

#endif
