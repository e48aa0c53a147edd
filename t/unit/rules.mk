# The objects of a unit test and the test itself, for t/lib/unit: a source that
# several tests have is compiled once.
#
#   TEST       the test's program, below OUT
#   SOURCES    what it is made of
#   OUT        the directory of the objects: another for each COMPILE
#   COMPILE    the compiler with its flags
#   LINK       libraries
#
# nginx's headers take half of a compiler's time: they are compiled once, for
# all sources that begin with them.

objects := $(patsubst %,$(OUT)/%.o,$(SOURCES))
headers := $(OUT)/nginx.h
of_them := $(shell grep -lE '^.include (<ngx_config.h>|"shm_test.h")' $(SOURCES))
of_them := $(patsubst %,$(OUT)/%.o,$(of_them))

.DELETE_ON_ERROR:

$(TEST): $(objects)
	$(COMPILE) -o $@ $^ $(LINK)

$(OUT)/%.o: %
	@mkdir -p $(@D)
	$(COMPILE) $(first) -MMD -MP -c -o $@ $<

$(of_them): first = -Winvalid-pch -include $(headers)
$(of_them): $(headers).gch

$(headers).gch:
	@printf '#include <ngx_%s.h>\n' config core event http > $(headers)
	$(COMPILE) -MMD -MP -c -o $@ $(headers)

-include $(objects:.o=.d) $(headers).d
