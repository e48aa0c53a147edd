# The fuzzers: libFuzzer of clang, with ASan and UBSan.  Included by the
# Makefile; what they are built of is compiled once, below the build directory.
#
# A harness is t/fuzz/fuzz_NAME.c, its corpus t/fuzz/corpus/NAME/.  nginx's
# own functions come from the binary itself, which t/fuzz/library makes into a
# shared library; what the harness defines beside it goes before.

FUZZ_CC   = clang
FUZZ_RUNS = 10000000
FUZZ      = $(fuzz_names)

fuzz_dir   := $(build)/fuzz
fuzz_names := $(patsubst t/fuzz/fuzz_%.c,%,$(sort $(wildcard t/fuzz/fuzz_*.c)))

# those of the encoder; the others are of the module

fuzz_encoder := debug learned modules raw trace

# an empty string of nginx has no address, and 0 may be added to that

fuzz_flags := -std=gnu11 -g -O1 -fPIC -fno-omit-frame-pointer \
              -fsanitize=address,undefined -fno-sanitize-recover=all \
              -fno-sanitize=pointer-overflow \
              -Wall -Wextra -Wno-unused-parameter -Werror \
              -DPROFILING_TRACE_GENERATIONS=8

# what libFuzzer is told; without comparisons, which take half of the time: the
# corpora have the values that are compared with

fuzz_coverage := -fsanitize-coverage=inline-8bit-counters,pc-table

fuzz_includes := $(addprefix -iquote ,$(sort $(shell find $(folders) \
                   -type d)) $(encoder_folders)) -I t/fuzz -I t/unit \
                 -I $(objs) $(addprefix -I $(farm)/src/,core event \
                   event/modules event/quic os/unix http http/modules \
                   http/v2 http/v3)

fuzz_encoder_objects := $(patsubst %.c,$(fuzz_dir)/%.o,\
                          $(filter-out encoder/main.c encoder/options.c \
                            encoder/supervise.c,$(encoder_sources)))
fuzz_module_objects  := $(patsubst %.c,$(fuzz_dir)/%.o,$(sources))
fuzz_binaries        := $(addprefix $(fuzz_dir)/fuzz_,$(fuzz_names))

# what "make test" does before the short run, if it is one of its files

fuzz_for_test = $(if $(filter-out t/fuzz/%,$(T)),:,\
                  ! t/fuzz/have $(FUZZ_CC) \
                  || $(MAKE) --no-print-directory -s -j$(JOBS) fuzz-build)

.PHONY: fuzz fuzz-build

fuzz-build: $(fuzz_binaries)

fuzz: fuzz-build
	@BUILD=$(build) JOBS=$(JOBS) RUNS=$(FUZZ_RUNS) t/fuzz/run $(FUZZ)


fuzz_compile = $(FUZZ_CC) $(fuzz_flags) $(fuzz_coverage) $(fuzz_includes) \
                   $(fuzz_first) -MMD -MP -c -o $@

$(fuzz_dir)/%.o: %.c $(objs)/Makefile t/fuzz/rules.mk
	@mkdir -p $(@D)
	$(fuzz_compile) $<

# nginx's headers are compiled once

fuzz_headers := $(fuzz_dir)/nginx.h

$(fuzz_module_objects): private fuzz_first = -include $(fuzz_headers)
$(fuzz_module_objects): $(fuzz_headers).pch

$(fuzz_headers).pch: $(objs)/Makefile t/fuzz/rules.mk
	@mkdir -p $(@D)
	@printf '#include <ngx_%s.h>\n' config core event http > $(fuzz_headers)
	$(fuzz_compile) $(fuzz_headers)

$(fuzz_dir)/encoder.a: $(fuzz_encoder_objects)
$(fuzz_dir)/module.a: $(fuzz_module_objects)

$(fuzz_dir)/encoder.a $(fuzz_dir)/module.a:
	@rm -f $@
	ar rc $@ $^

$(fuzz_dir)/nginx.so: t/fuzz/library $(nginx)
	@mkdir -p $(@D)
	t/fuzz/library $(nginx) $@

$(addprefix $(fuzz_dir)/fuzz_,$(fuzz_encoder)): $(fuzz_dir)/fuzz_%: \
		$(fuzz_dir)/t/fuzz/fuzz_%.o $(fuzz_dir)/encoder.a
	$(FUZZ_CC) $(fuzz_flags) -fsanitize=fuzzer -o $@ $^ \
	    -ldw -lelf -lz -liberty -lm

$(addprefix $(fuzz_dir)/fuzz_,$(filter-out $(fuzz_encoder),$(fuzz_names))): \
$(fuzz_dir)/fuzz_%: $(fuzz_dir)/t/fuzz/fuzz_%.o $(fuzz_dir)/t/fuzz/worker.o \
		$(fuzz_dir)/t/fuzz/request.o $(fuzz_dir)/t/unit/pool.o \
		$(fuzz_dir)/module.a $(fuzz_dir)/nginx.so
	$(FUZZ_CC) $(fuzz_flags) -fsanitize=fuzzer -o $@ $^ \
	    -Wl,--allow-multiple-definition -Wl,--allow-shlib-undefined \
	    -ldl -lm -lpthread

-include $(fuzz_headers).d \
         $(wildcard $(fuzz_dir)/*/*.d $(fuzz_dir)/*/*/*.d)
