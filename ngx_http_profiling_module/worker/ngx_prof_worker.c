
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_worker.h"


ngx_prof_process_t  ngx_prof_process;
