package console

import "strings"

// waits are how functions begin in which every task is when it waits: what it waits for is further up. The words are
// those of kernel/sched/{core,wait,wait_bit,completion}.c, kernel/locking, kernel/time, kernel/rcu,
// kernel/{workqueue,kthread}.c, mm/filemap.c, fs/buffer.c and block. A name that has "wait" for one of its words need
// not be here.
var waits = []string{
	"schedule", "io_schedule", "preempt_schedule", "cond_resched", "yield",
	"mutex_lock", "ww_mutex_lock", "rt_mutex_", "rtlock_", "rt_spin_lock", "percpu_down_", "percpu_rwsem_",
	"down_read", "down_write", "down_interruptible", "down_killable", "down_timeout", "down_common", "rwsem_down_",
	"call_rwsem_down_", "rwbase_",
	"msleep", "usleep_range", "ssleep", "fsleep", "do_nanosleep", "hrtimer_nanosleep",
	"synchronize_rcu", "synchronize_srcu", "synchronize_sched", "synchronize_net", "rcu_barrier", "srcu_barrier",
	"exp_funnel_lock",
	"flush_work", "flush_delayed_work", "flush_rcu_work", "flush_scheduled_work", "drain_workqueue", "cancel_work_sync",
	"cancel_delayed_work_sync", "cancel_work_timer", "kthread_stop", "kthread_park", "kthread_flush_work",
	"kthread_cancel_",
	"folio_lock", "lock_page", "lock_buffer", "lock_sock", "filemap_fdatawait", "blk_execute_rq", "blk_mq_get_tag",
	"blk_mq_freeze_queue",
}

// isWait tells whether a frame is of a function that waits. A module's function never is: it chose to.
func (s symbol) isWait() bool {
	if s.module != "" {
		return false
	}
	if strings.TrimLeft(s.function, "_") == "down" || begins(s.function, waits) {
		return true
	}
	for word := range strings.SplitSeq(s.function, "_") {
		if word == "wait" {
			return true
		}
	}
	return false
}
