"""How good an answer is: functions of what a method says and what is true, that know nothing of methods."""
