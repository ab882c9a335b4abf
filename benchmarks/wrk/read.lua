-- Ask for the list of a random user. PAUSE_MS above 0 makes each connection wait, on average so long, before it asks.
local users = tonumber(os.getenv("USERS"))
local path = os.getenv("READ_PATH")
local pause = tonumber(os.getenv("PAUSE_MS") or "0")

function init()
  math.randomseed(tonumber(os.getenv("SEED") or "1"))
end

function request()
  return wrk.format("GET", string.format(path, math.random(0, users - 1)))
end

if pause > 0 then
  -- Exponential pauses over many connections come close to requests that know nothing of each other.
  function delay()
    return math.floor(-pause * math.log(1 - math.random()) + 0.5)
  end
end
