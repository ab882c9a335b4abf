-- Ask for the list of a random user. PAUSE_MS above 0 makes each connection wait, on average so long, before it asks.
-- With ZIPF=1 users are asked for about in proportion to 1 / rank; ranks are scattered over the users.
local users = tonumber(os.getenv("USERS"))
local path = os.getenv("READ_PATH")
local pause = tonumber(os.getenv("PAUSE_MS") or "0")
local zipf = os.getenv("ZIPF") == "1"

function init()
  math.randomseed(tonumber(os.getenv("SEED") or "1"))
end

function request()
  local user = math.random(0, users - 1)
  if zipf then
    user = math.floor(users ^ math.random()) * 7919 % users
  end
  return wrk.format("GET", string.format(path, user))
end

if pause > 0 then
  -- Exponential pauses over many connections come close to requests that know nothing of each other.
  function delay()
    return math.floor(-pause * math.log(1 - math.random()) + 0.5)
  end
end
