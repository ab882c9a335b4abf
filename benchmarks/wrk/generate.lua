-- Have the list of a random user made and stored.
local users = tonumber(os.getenv("USERS"))
local path = os.getenv("WRITE_PATH")

function init()
  math.randomseed(tonumber(os.getenv("SEED") or "1"))
end

function request()
  return wrk.format("POST", string.format(path, math.random(0, users - 1)))
end
