-- Send one event of a random user and game, each under an Idempotency-Key of its own; PAUSE_MS as in read.lua.
local users, games = tonumber(os.getenv("USERS")), tonumber(os.getenv("GAMES"))
local path, run, sent = os.getenv("WRITE_PATH"), os.getenv("RUN"), 0
local pause = tonumber(os.getenv("PAUSE_MS") or "0")

function init()
  math.randomseed(tonumber(os.getenv("SEED") or "1"))
end

function request()
  sent = sent + 1
  local body = string.format('{"user_id":"user-%07d","game_id":"game-%06d","event_type":"viewed"}',
    math.random(0, users - 1), math.random(0, games - 1))
  local headers = {["Content-Type"] = "application/json", ["Idempotency-Key"] = run .. "-" .. sent}
  return wrk.format("POST", path, headers, body)
end

if pause > 0 then
  function delay()
    return math.floor(-pause * math.log(1 - math.random()) + 0.5)
  end
end
