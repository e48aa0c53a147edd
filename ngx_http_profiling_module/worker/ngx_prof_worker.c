
#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_prof_worker.h"


ngx_http_profiling_process_t  ngx_http_profiling_process;
